// SPDX-License-Identifier: Apache-2.0
/* With the real kedge-shim. */
#include "network/reaper.h"

#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "check.h"
#include "network/links.h"
#include "network/namespace.h"

enum { NAMESPACES = 40 };

typedef struct Fixture {
	Loop *loop;
	Reaper *reaper;
	Netlink *host;
	Source *end;
	int done, failed;
} Fixture;

static void on_end(void *arg)
{
	(void)arg;
	fail_msg("waited in vain");
}

static int setup_with(void **state, const char *shim)
{
	Fixture *fixture = mem_new(Fixture);

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	check_ok(loop_new(&fixture->loop));
	check_ok(reaper_new(&fixture->reaper, fixture->loop, shim));
	check_ok(netlink_open_in(&fixture->host, -1, NETLINK_ROUTE));
	check_ok(loop_timer(&fixture->end, fixture->loop, 30 * NANOS_PER_SECOND, on_end, fixture));
	*state = fixture;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, KEDGE_SHIM);
}

static int setup_broken(void **state)
{
	return setup_with(state, "/bin/false");
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	reaper_free(fixture->reaper);
	netlink_close(fixture->host);
	source_free(fixture->end);
	loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void on_done(void *arg, Error *take_error)
{
	Fixture *fixture = arg;

	fixture->done++;
	if (!take_error)
		return;
	fixture->failed++;
	assert_string_equal(error_message(take_error), "could not remove a link: kedge-shim: exit status 1");
	error_free(take_error);
}

static void wait_done(Fixture *fixture, int count)
{
	while (fixture->done < count)
		check_ok(loop_run_once(fixture->loop));
	assert_int_equal(fixture->done, count);
}

static void check_link(Netlink *netlink, const char *name, bool is_there)
{
	int index;

	check_ok(link_index(&index, netlink, name));
	assert_int_equal(index != 0, is_there);
}

static void test_links_of_the_host_go_together(void **state)
{
	Fixture *fixture = *state;

	for (int i = 0; i < 100; i++) {
		autofree char *name = string_printf("card%d", i);

		check_ok(link_make_dummy(fixture->host, name));
		if (i < 99)
			check_ok(reaper_remove(fixture->reaper, -1, name, on_done, fixture));
	}
	wait_done(fixture, 99);
	assert_int_equal(fixture->failed, 0);
	for (int i = 0; i < 100; i++) {
		autofree char *name = string_printf("card%d", i);

		check_link(fixture->host, name, i == 99); /* nobody asked for it */
	}
}

/* More namespaces than one child takes. */
static void test_links_in_many_namespaces(void **state)
{
	Fixture *fixture = *state;
	int namespaces[NAMESPACES];

	for (int i = 0; i < NAMESPACES; i++) {
		autoptr(Netlink) inner = NULL;

		check_ok(namespace_make(&namespaces[i]));
		check_ok(netlink_open_in(&inner, namespaces[i], NETLINK_ROUTE));
		check_ok(link_make_dummy(inner, "eth1"));
		check_ok(link_make_dummy(inner, "eth2"));
		check_ok(reaper_remove(fixture->reaper, namespaces[i], "eth1", i % 2 ? on_done : NULL, fixture));
	}
	check_ok(link_make_dummy(fixture->host, "card"));
	check_ok(reaper_remove(fixture->reaper, -1, "card", on_done, fixture));
	wait_done(fixture, NAMESPACES / 2 + 1);
	assert_int_equal(fixture->failed, 0);
	check_link(fixture->host, "card", false);
	for (int i = 0; i < NAMESPACES; i++) {
		autoptr(Netlink) inner = NULL;

		check_ok(netlink_open_in(&inner, namespaces[i], NETLINK_ROUTE));
		check_link(inner, "eth1", false);
		check_link(inner, "eth2", true);
		close(namespaces[i]);
	}
}

static void test_what_is_not_there_is_gone(void **state)
{
	Fixture *fixture = *state;

	check_ok(reaper_remove(fixture->reaper, -1, "nothing", on_done, fixture));
	assert_int_equal(fixture->done, 0); /* never within the call */
	wait_done(fixture, 1);
	assert_int_equal(fixture->failed, 0);
}

/* What is asked for while a child is at work goes with the next. */
static void test_one_after_the_other(void **state)
{
	Fixture *fixture = *state;

	check_ok(link_make_dummy(fixture->host, "one"));
	check_ok(link_make_dummy(fixture->host, "two"));
	check_ok(reaper_remove(fixture->reaper, -1, "one", on_done, fixture));
	check_ok(loop_run_once(fixture->loop));
	check_ok(reaper_remove(fixture->reaper, -1, "two", on_done, fixture));
	wait_done(fixture, 2);
	check_link(fixture->host, "one", false);
	check_link(fixture->host, "two", false);
}

static void test_a_child_that_fails_is_told(void **state)
{
	Fixture *fixture = *state;

	check_ok(link_make_dummy(fixture->host, "one"));
	check_ok(reaper_remove(fixture->reaper, -1, "one", on_done, fixture));
	wait_done(fixture, 1);
	assert_int_equal(fixture->failed, 1);
}

static void test_nobody_is_told_after_the_end(void **state)
{
	Fixture *fixture = *state;
	int index = 1;

	check_ok(link_make_dummy(fixture->host, "one"));
	check_ok(link_make_dummy(fixture->host, "two"));
	check_ok(reaper_remove(fixture->reaper, -1, "one", on_done, fixture));
	check_ok(loop_run_once(fixture->loop)); /* the child is at work, and ends it */
	check_ok(reaper_remove(fixture->reaper, -1, "two", on_done, fixture));
	fixture->reaper = reaper_free(fixture->reaper);
	for (int tries = 0; index && tries < 20000; tries++) {
		usleep(1000);
		check_ok(link_index(&index, fixture->host, "one"));
	}
	assert_int_equal(index, 0);
	assert_int_equal(fixture->done, 0);
}

#define reaper_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		reaper_test(test_links_of_the_host_go_together),
		reaper_test(test_links_in_many_namespaces),
		reaper_test(test_what_is_not_there_is_gone),
		reaper_test(test_one_after_the_other),
		cmocka_unit_test_setup_teardown(test_a_child_that_fails_is_told, setup_broken, teardown),
		reaper_test(test_nobody_is_told_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
