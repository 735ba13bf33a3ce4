// SPDX-License-Identifier: Apache-2.0
/* The engine's side against a peer that this test plays, and against programs that are no shim. */
#include "shim/client.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "check.h"
#include "shim/exitfile.h"

typedef struct Fixture {
	char *bundle;
	Loop *loop;
	int listener, peer;
	Shim *shim;
	Buffer heard; /* one letter for each call of a handler, with its numbers */
	bool frees_in_handler, pauses_in_handler;
} Fixture;

/* ---- what the handlers hear ---- */

static void hear(Fixture *fixture, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void hear(Fixture *fixture, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buffer_vprintf(&fixture->heard, format, args);
	va_end(args);
	if (fixture->frees_in_handler)
		fixture->shim = shim_free(fixture->shim);
	if (fixture->pauses_in_handler)
		shim_pause(fixture->shim, true);
}

static void on_status(void *arg, const ShimStatus *status)
{
	hear(arg, "status %u;", status->state);
}

static void on_started(void *arg, const ShimStatus *status)
{
	hear(arg, "started %d;", status->pid);
}

static void on_failed(void *arg, const ShimStatus *status, const char *reason)
{
	hear(arg, "failed %u %s;", status->not_found, reason);
}

static void on_exited(void *arg, const ShimStatus *status)
{
	hear(arg, "exited %d;", status->exit_code);
}

static void on_exec_exited(void *arg, const ShimExecExit *exit, const char *output, size_t length)
{
	hear(arg, "exec %llu %d %.*s;", (unsigned long long)exit->exec, exit->exit_code, (int)length, output);
}

static void on_output(void *arg, int stream, const char *data, size_t length)
{
	hear(arg, "%d:%.*s;", stream, (int)length, data);
}

static void on_gone(void *arg)
{
	hear(arg, "gone;");
}

static const ShimHandlers handlers = {on_status, on_started, on_failed, on_exited, on_exec_exited, on_output, on_gone};
static const ShimHandlers no_handlers;

/* ---- fixture ---- */

static int setup(void **state)
{
	Fixture *fixture = calloc(1, sizeof(*fixture));

	setup_directory((void **)&fixture->bundle);
	fixture->listener = fixture->peer = -1;
	check_ok(loop_new(&fixture->loop));
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	shim_free(fixture->shim);
	loop_free(fixture->loop);
	close_fd(&fixture->listener);
	close_fd(&fixture->peer);
	buffer_clear(&fixture->heard);
	teardown_directory((void **)&fixture->bundle);
	free(fixture);
	return 0;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void turn(Fixture *fixture, int count)
{
	Source *timer;

	while (count--) {
		check_ok(loop_timer(&timer, fixture->loop, 20 * NANOS_PER_MILLI, stop, fixture->loop));
		check_ok(loop_run(fixture->loop));
		source_free(timer);
	}
}

static void join(Fixture *fixture, const ShimHandlers *with)
{
	check_ok(shim_listen(&fixture->listener, fixture->bundle));
	check_ok(shim_connect(&fixture->shim, fixture->loop, fixture->bundle, with, fixture));
	assert_non_null(fixture->shim);
	fixture->peer = accept(fixture->listener, NULL, NULL);
	assert_true(fixture->peer >= 0);
}

static void say_raw(Fixture *fixture, const void *data, size_t length)
{
	assert_int_equal(send(fixture->peer, data, length, MSG_NOSIGNAL), length);
}

static void say(Fixture *fixture, ShimMessage message, const void *payload, size_t length)
{
	char packet[4096];
	ShimHeader header = {message, (uint32_t)length};

	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), payload, length);
	say_raw(fixture, packet, sizeof(header) + length);
}

/* ---- tests ---- */

static void say_everything(Fixture *fixture)
{
	ShimStatus status = {.state = SHIM_RUNNING, .pid = 42, .exit_code = 3, .not_found = 127};
	ShimExecExit exit = {.exec = 9, .exit_code = 1};
	char failed[sizeof(status) + 4], exec[sizeof(exit) + 2];

	memcpy(failed, &status, sizeof(status));
	memcpy(failed + sizeof(status), "nope", 4);
	memcpy(exec, &exit, sizeof(exit));
	memcpy(exec + sizeof(exit), "hi", 2);
	say(fixture, SHIM_STATUS, &status, sizeof(status));
	say(fixture, SHIM_STARTED, &status, sizeof(status));
	say(fixture, 99, "from the future", 15);
	say(fixture, SHIM_OUTPUT, "\1text", 5);
	say(fixture, SHIM_OUTPUT, "\2", 1);
	say(fixture, SHIM_EXEC_EXITED, exec, sizeof(exec));
	say(fixture, SHIM_FAILED, failed, sizeof(failed));
	say(fixture, SHIM_EXITED, &status, sizeof(status));
	close_fd(&fixture->peer);
}

static void test_every_message(void **state)
{
	Fixture *fixture = *state;

	join(fixture, &handlers);
	say_everything(fixture);
	assert_int_equal(fixture->heard.length, 0);
	turn(fixture, 2);
	assert_string_equal(buffer_text(&fixture->heard),
		"status 1;started 42;1:text;2:;exec 9 1 hi;failed 127 nope;exited 3;gone;");
	check_error(shim_signal(fixture->shim, 9), ERROR_UNAVAILABLE, "the container's shim is gone");
}

static void test_without_handlers(void **state)
{
	Fixture *fixture = *state;

	join(fixture, &no_handlers);
	say_everything(fixture);
	turn(fixture, 2);
}

static void test_freed_in_its_handler(void **state)
{
	Fixture *fixture = *state;

	join(fixture, &handlers);
	fixture->frees_in_handler = true;
	say_everything(fixture);
	turn(fixture, 2);
	assert_string_equal(buffer_text(&fixture->heard), "status 1;");
}

static void test_freed_when_gone(void **state)
{
	Fixture *fixture = *state;

	join(fixture, &handlers);
	fixture->frees_in_handler = true;
	close_fd(&fixture->peer);
	turn(fixture, 2);
	assert_string_equal(buffer_text(&fixture->heard), "gone;");
}

static void test_pause(void **state)
{
	Fixture *fixture = *state;

	join(fixture, &handlers);
	fixture->pauses_in_handler = true;
	say_everything(fixture);
	turn(fixture, 2);
	assert_string_equal(buffer_text(&fixture->heard), "status 1;");
	shim_pause(fixture->shim, false);
	turn(fixture, 2);
	assert_string_equal(buffer_text(&fixture->heard), "status 1;started 42;");
	fixture->pauses_in_handler = false;
	shim_pause(fixture->shim, false);
	turn(fixture, 2);
	assert_true(fixture->heard.length > 60);
}

/* What is no packet of a shim ends the connection; one that is too short for its message is passed over. */
static void test_nonsense(void **state)
{
	Fixture *fixture = *state;
	ShimHeader lies = {SHIM_STATUS, 1000};

	join(fixture, &handlers);
	say(fixture, SHIM_STATUS, "short", 5);
	say(fixture, SHIM_EXEC_EXITED, "short", 5);
	say(fixture, SHIM_FAILED, "short", 5);
	say(fixture, SHIM_OUTPUT, "", 0);
	say_raw(fixture, &lies, sizeof(lies));
	turn(fixture, 2);
	assert_string_equal(buffer_text(&fixture->heard), "gone;");
}

static void test_requests(void **state)
{
	Fixture *fixture = *state;
	char packet[256];
	ShimHeader header;
	ShimExec exec;

	join(fixture, &handlers);
	check_ok(shim_signal(fixture->shim, 15));
	check_ok(shim_attach(fixture->shim, true, false));
	check_ok(shim_exec(fixture->shim, 7, "/file", 500));
	check_ok(shim_forget(fixture->shim));
	assert_int_equal(recv(fixture->peer, packet, sizeof(packet), 0), sizeof(header) + sizeof(ShimSignal));
	assert_int_equal(((ShimSignal *)(packet + sizeof(header)))->signal, 15);
	assert_int_equal(recv(fixture->peer, packet, sizeof(packet), 0), sizeof(header) + sizeof(ShimAttach));
	assert_int_equal(recv(fixture->peer, packet, sizeof(packet), 0), sizeof(header) + sizeof(exec) + 6);
	memcpy(&exec, packet + sizeof(header), sizeof(exec));
	assert_int_equal(exec.exec, 7);
	assert_int_equal(exec.timeout_ms, 500);
	assert_string_equal(packet + sizeof(header) + sizeof(exec), "/file");
	assert_int_equal(recv(fixture->peer, packet, sizeof(packet), 0), sizeof(header));
}

static void test_nobody_there(void **state)
{
	Fixture *fixture = *state;
	autofree char *absent = path_join(fixture->bundle, "absent");

	check_ok(shim_connect(&fixture->shim, fixture->loop, fixture->bundle, &handlers, fixture));
	assert_null(fixture->shim);
	check_ok(shim_connect(&fixture->shim, fixture->loop, absent, &handlers, fixture));
	assert_null(fixture->shim);
	check_ok(shim_listen(&fixture->listener, fixture->bundle));
	close_fd(&fixture->listener);
	check_ok(shim_connect(&fixture->shim, fixture->loop, fixture->bundle, &handlers, fixture));
	assert_null(fixture->shim);
}

static void test_a_long_bundle_path(void **state)
{
	Fixture *fixture = *state;
	autofree char *parent =
		path_join(fixture->bundle, "0123456789012345678901234567890123456789012345678901234567890123");
	autofree char *deep = path_join(parent, "0123456789012345678901234567890123456789012345678901234567890123");
	struct stat status;

	check_ok(dir_make_all(AT_FDCWD, deep, 0700));
	check_ok(shim_listen(&fixture->listener, deep));
	check_ok(shim_connect(&fixture->shim, fixture->loop, deep, &handlers, fixture));
	assert_non_null(fixture->shim);
	autofree char *socket = path_join(deep, "shim.sock");
	assert_int_equal(stat(socket, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

/* ---- spawning ---- */

static ShimOptions options_for(Fixture *fixture, const char *program)
{
	return (ShimOptions){.program = program,
		.id = "x",
		.bundle = fixture->bundle,
		.state = fixture->bundle,
		.runtime = "/bin/false",
		.runtime_root = fixture->bundle,
		.layers = fixture->bundle,
		.lower = "",
		.upper = fixture->bundle,
		.work = fixture->bundle,
		.start_timeout_ms = 1000};
}

static void test_a_shim_that_dies_at_once(void **state)
{
	Fixture *fixture = *state;
	ShimOptions options = options_for(fixture, "/bin/false");

	check_ok(shim_spawn(&fixture->shim, fixture->loop, &options, &handlers, fixture));
	turn(fixture, 10);
	assert_string_equal(buffer_text(&fixture->heard), "gone;");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it was reaped */
}

static void test_no_zombie_after_free(void **state)
{
	Fixture *fixture = *state;
	ShimOptions options = options_for(fixture, "/bin/false");

	check_ok(shim_spawn(&fixture->shim, fixture->loop, &options, &handlers, fixture));
	fixture->shim = shim_free(fixture->shim);
	turn(fixture, 10);
	assert_int_equal(fixture->heard.length, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_no_such_program(void **state)
{
	Fixture *fixture = *state;
	ShimOptions options = options_for(fixture, "/nope/kedge-shim");

	check_error(shim_spawn(&fixture->shim, fixture->loop, &options, &handlers, fixture), ERROR_NOT_FOUND,
		"could not start \"/nope/kedge-shim\": No such file or directory");
	assert_null(fixture->shim);
}

/* ---- records and the runtime in memory ---- */

static void test_exit_file(void **state)
{
	Fixture *fixture = *state;
	autofree char *path = path_join(fixture->bundle, "exit"), *absent = path_join(fixture->bundle, "absent");
	ShimStatus status = {.protocol = SHIM_PROTOCOL, .state = SHIM_ENDED, .run = 5, .exit_code = 7}, read;
	bool found = true;
	autofd dir = -1;

	check_ok(shim_read_exit(&read, &found, absent));
	assert_false(found);
	check_ok(shim_read_exit(&read, &found, fixture->bundle));
	assert_false(found);
	check_ok(dir_open(&dir, AT_FDCWD, fixture->bundle));
	check_ok(exitfile_prepare(dir));
	check_ok(shim_read_exit(&read, &found, fixture->bundle));
	assert_false(found);
	check_ok(exitfile_write(dir, &status));
	check_ok(shim_read_exit(&read, &found, fixture->bundle));
	assert_true(found);
	assert_memory_equal(&read, &status, sizeof(status));
	check_ok(file_replace(AT_FDCWD, path, "", 0, 0600));
	check_error(shim_read_exit(&read, &found, fixture->bundle), ERROR_INTERNAL,
		"the container's exit file is damaged (0 bytes)");
	status.state = SHIM_RUNNING;
	check_ok(file_replace(AT_FDCWD, path, &status, sizeof(status), 0600));
	check_error(shim_read_exit(&read, &found, fixture->bundle), ERROR_INTERNAL,
		"the container's exit file is damaged (352 bytes)");
}

static void test_sealed_runtime(void **state)
{
	Fixture *fixture = *state;
	struct stat ours, its;
	autofd fd = -1;

	(void)fixture;
	check_ok(shim_seal_program(&fd, "/bin/true"));
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert_int_equal(fstat(fd, &ours), 0);
	assert_int_equal(stat("/bin/true", &its), 0);
	assert_int_equal(ours.st_size, its.st_size);
	assert_true(ours.st_mode & 0100);
	check_error(shim_seal_program(&fd, "/nope"), ERROR_NOT_FOUND,
		"could not open \"/nope\": No such file or directory");
}

#define shim_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		shim_test(test_every_message),
		shim_test(test_without_handlers),
		shim_test(test_freed_in_its_handler),
		shim_test(test_freed_when_gone),
		shim_test(test_pause),
		shim_test(test_nonsense),
		shim_test(test_requests),
		shim_test(test_nobody_there),
		shim_test(test_a_long_bundle_path),
		shim_test(test_a_shim_that_dies_at_once),
		shim_test(test_no_zombie_after_free),
		shim_test(test_no_such_program),
		shim_test(test_exit_file),
		shim_test(test_sealed_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
