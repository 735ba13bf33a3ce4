// SPDX-License-Identifier: Apache-2.0
#include "base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"

typedef struct Fixture {
	Loop *loop;
	Aside *aside;
	int pair[2]; /* the second one is the child's standard input */
	Error *error;
	bool is_done;
} Fixture;

static int setup(void **state)
{
	Fixture *fixture = calloc(1, sizeof(*fixture));

	*state = fixture;
	check_ok(loop_new(&fixture->loop));
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fixture->pair);
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	aside_free(fixture->aside);
	error_free(fixture->error);
	loop_free(fixture->loop);
	close_fd(&fixture->pair[0]);
	close_fd(&fixture->pair[1]);
	free(fixture);
	return 0;
}

static void on_done(void *arg, Error *take_error)
{
	Fixture *fixture = arg;

	fixture->error = take_error;
	fixture->is_done = true;
	loop_stop(fixture->loop);
}

static void start(Fixture *fixture, AsideWork *work)
{
	check_ok(aside_start(&fixture->aside, fixture->loop, work, fixture, fixture->pair[1], on_done, fixture));
	assert_false(fixture->is_done); /* never from inside the call */
}

static void run(Fixture *fixture, AsideWork *work)
{
	start(fixture, work);
	check_ok(loop_run(fixture->loop));
	assert_true(fixture->is_done);
}

static Error *succeed(const void *arg)
{
	(void)arg;
	return NULL;
}

static Error *fail_with_a_hint(const void *arg)
{
	(void)arg;
	return error_hint(error_new(ERROR_CONFLICT, "it is so"), "do that");
}

static Error *fail_at_length(const void *arg)
{
	char text[20000];

	(void)arg;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return error_new(ERROR_INVALID, "%s", text);
}

static Error *die(const void *arg)
{
	(void)arg;
	raise(SIGKILL);
	return NULL;
}

/* Only the standard ones are open, and the first of them is what was given. */
static Error *look_at_descriptors(const void *arg)
{
	char byte = 'i';

	(void)arg;
	for (int fd = 3; fd < 1000; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return error_new(ERROR_INTERNAL, "descriptor %d is open", fd);
	if (write(STDIN_FILENO, &byte, 1) != 1)
		return error_new(ERROR_INTERNAL, "standard input is not what was given");
	return NULL;
}

static Error *wait_for_input(const void *arg)
{
	char byte;

	(void)arg;
	return read(STDIN_FILENO, &byte, 1) == 1 ? NULL : error_new(ERROR_INTERNAL, "no byte came");
}

static void tells_success(void **state)
{
	run(*state, succeed);
	check_ok(((Fixture *)*state)->error);
}

static void tells_errors_whole(void **state)
{
	Fixture *fixture = *state;

	run(fixture, fail_with_a_hint);
	assert_int_equal(error_kind(fixture->error), ERROR_CONFLICT);
	assert_string_equal(error_message(fixture->error), "it is so");
	assert_string_equal(error_hint_text(fixture->error), "do that");
}

static void bounds_what_is_told(void **state)
{
	Fixture *fixture = *state;

	run(fixture, fail_at_length);
	assert_int_equal(error_kind(fixture->error), ERROR_INVALID);
	assert_true(strlen(error_message(fixture->error)) > 1000);
	assert_null(error_hint_text(fixture->error));
}

static void tells_of_a_death(void **state)
{
	Fixture *fixture = *state;

	run(fixture, die);
	assert_non_null(strstr(error_message(fixture->error), "signal 9"));
}

static void gives_one_descriptor_and_no_other(void **state)
{
	Fixture *fixture = *state;
	char byte = 0;

	run(fixture, look_at_descriptors);
	check_ok(fixture->error);
	assert_int_equal(read(fixture->pair[0], &byte, 1), 1);
	assert_int_equal(byte, 'i');
}

/* A freed one is killed: the other end of its input has nobody left. */
static void ends_when_it_is_freed(void **state)
{
	Fixture *fixture = *state;
	char byte;

	start(fixture, wait_for_input);
	close_fd(&fixture->pair[1]);
	fixture->aside = aside_free(fixture->aside);
	assert_int_equal(read(fixture->pair[0], &byte, 1), 0);
	assert_false(fixture->is_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_success, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_errors_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_what_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_of_a_death, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_one_descriptor_and_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_when_it_is_freed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
