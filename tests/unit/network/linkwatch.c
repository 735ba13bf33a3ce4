// SPDX-License-Identifier: Apache-2.0
#include "network/linkwatch.h"

#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/strings.h"
#include "check.h"
#include "network/namespace.h"

typedef struct Seen {
	Loop *loop;
	LinkWatch *watch;
	Source *end;
	StringList gone, came, down;
	int addressed, routed, lost;
} Seen;

static void on_gone(void *arg, const char *name)
{
	strings_add(&((Seen *)arg)->gone, name);
}

static void on_came(void *arg, const char *name)
{
	strings_add(&((Seen *)arg)->came, name);
}

static void on_down(void *arg, const char *name)
{
	strings_add(&((Seen *)arg)->down, name);
}

static void on_addressed(void *arg)
{
	((Seen *)arg)->addressed++;
}

static void on_routed(void *arg)
{
	((Seen *)arg)->routed++;
}

static void on_lost(void *arg)
{
	((Seen *)arg)->lost++;
}

static void on_end(void *arg)
{
	(void)arg;
	fail_msg("waited in vain");
}

static int setup(void **state)
{
	static const LinkHandlers handlers = {on_gone, on_came, on_down, on_addressed, on_routed, on_lost};
	Seen *seen = calloc(1, sizeof(*seen));

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	check_ok(loop_new(&seen->loop));
	check_ok(link_watch_open(&seen->watch, seen->loop, &handlers, seen));
	check_ok(loop_timer(&seen->end, seen->loop, 20 * NANOS_PER_SECOND, on_end, seen));
	*state = seen;
	return 0;
}

static int teardown(void **state)
{
	Seen *seen = *state;

	link_watch_close(seen->watch);
	source_free(seen->end);
	loop_free(seen->loop);
	strings_clear(&seen->gone);
	strings_clear(&seen->came);
	strings_clear(&seen->down);
	free(seen);
	return 0;
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

static void test_links_come_and_go(void **state)
{
	Seen *seen = *state;

	run("ip link add one type bridge");
	while (!strings_has(&seen->down, "one"))
		check_ok(loop_run_once(seen->loop));
	run("ip link add v0 type veth peer name v1; ip link set v0 master one; ip link set v0 nomaster; ip link set v1 "
	    "up");
	while (!strings_has(&seen->came, "v1"))
		check_ok(loop_run_once(seen->loop));
	run("ip link del one; ip link add last type bridge");
	while (!strings_has(&seen->down, "last"))
		check_ok(loop_run_once(seen->loop));
	assert_int_equal(seen->gone.count, 1); /* a port that leaves its bridge is still there */
	assert_string_equal(seen->gone.items[0], "one");
	assert_int_equal(seen->lost, 0);
}

static void test_a_link_that_leaves_for_another_namespace_is_gone(void **state)
{
	Seen *seen = *state;

	autofree char *command = NULL;
	autofd elsewhere = -1;

	check_ok(namespace_make(&elsewhere));
	command = string_printf(
		"ip link add v0 type veth peer name v1; ip link set v1 netns /proc/%d/fd/%d", (int)getpid(), elsewhere);
	run(command);
	while (!strings_has(&seen->gone, "v1"))
		check_ok(loop_run_once(seen->loop));
}

static void test_addresses_and_routes(void **state)
{
	Seen *seen = *state;

	run("ip link add one type bridge; ip link set one up");
	while (!strings_has(&seen->came, "one"))
		check_ok(loop_run_once(seen->loop));
	seen->addressed = seen->routed = 0;
	run("ip addr add 10.5.0.1/24 dev one");
	while (!seen->addressed || !seen->routed) /* the address's own subnet */
		check_ok(loop_run_once(seen->loop));
	seen->routed = 0;
	run("ip route add 10.6.0.0/16 via 10.5.0.9");
	while (!seen->routed)
		check_ok(loop_run_once(seen->loop));
	seen->routed = 0;
	run("ip route del 10.6.0.0/16");
	while (!seen->routed)
		check_ok(loop_run_once(seen->loop));
	seen->addressed = 0;
	run("ip -6 addr add fd05::1/64 dev one nodad");
	while (!seen->addressed)
		check_ok(loop_run_once(seen->loop));
}

/* More than the kernel keeps while nobody reads. */
static void test_what_is_too_much_is_told_as_lost(void **state)
{
	Seen *seen = *state;

	run("ip link add one type bridge; i=0; while [ $i -lt 4000 ]; do echo link set one mtu $((1000 + (i += 1))); "
	    "done | "
	    "ip -batch -");
	while (!seen->lost)
		check_ok(loop_run_once(seen->loop));
	run("ip link add last type bridge"); /* and it goes on */
	while (!strings_has(&seen->down, "last"))
		check_ok(loop_run_once(seen->loop));
}

#define watch_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		watch_test(test_links_come_and_go),
		watch_test(test_a_link_that_leaves_for_another_namespace_is_gone),
		watch_test(test_addresses_and_routes),
		watch_test(test_what_is_too_much_is_told_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
