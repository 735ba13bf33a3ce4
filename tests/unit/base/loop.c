// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/process.h"
#include "check.h"

typedef struct Fixture {
	Loop *loop;
	Source *first, *second;
	int pair[2];
	int calls;
	int status;
	int64_t called_at;
} Fixture;

static int setup(void **state)
{
	Fixture *fixture = calloc(1, sizeof(*fixture));

	*state = fixture;
	check_ok(loop_new(&fixture->loop));
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fixture->pair);
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	source_free(fixture->first);
	source_free(fixture->second);
	loop_free(fixture->loop);
	close_fd(&fixture->pair[0]);
	close_fd(&fixture->pair[1]);
	free(fixture);
	return 0;
}

static void count(void *arg)
{
	Fixture *fixture = arg;

	fixture->calls++;
	fixture->called_at = clock_monotonic_ns();
}

static void count_and_stop(void *arg)
{
	count(arg);
	loop_stop(((Fixture *)arg)->loop);
}

static void ignore(void *arg)
{
	(void)arg;
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void read_two(void *arg, int fd, unsigned events)
{
	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(fd, arg, 2), 2);
}

/* ---- descriptors ---- */

static void on_readable(void *arg, int fd, unsigned events)
{
	char byte;

	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(fd, &byte, 1), 1);
	count_and_stop(arg);
}

static void tells_readable_descriptors(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_watch(&fixture->first, fixture->loop, fixture->pair[0], LOOP_READ, on_readable, fixture));
	assert_int_equal(write(fixture->pair[1], "abc", 3), 3);
	check_ok(loop_run(fixture->loop));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 2);
}

static void on_both(void *arg, int fd, unsigned events)
{
	Fixture *fixture = arg;

	(void)fd;
	fixture->status = (int)events;
	count_and_stop(fixture);
}

static void changes_and_pauses_events(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_watch(&fixture->first, fixture->loop, fixture->pair[0], 0, on_both, fixture));
	check_ok(loop_timer(&fixture->second, fixture->loop, 5 * NANOS_PER_MILLI, count_and_stop, fixture));
	assert_int_equal(write(fixture->pair[1], "a", 1), 1);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->status, 0); /* it was the timer */
	source_set_events(fixture->first, LOOP_WRITE);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->status, LOOP_WRITE);
	source_set_events(fixture->first, LOOP_READ | LOOP_WRITE);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->status, LOOP_READ | LOOP_WRITE);
	source_set_events(fixture->first, 0);
	source_rearm(fixture->second, NANOS_PER_MILLI);
	fixture->status = 0;
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->status, 0);
}

static void cannot_watch_files(void **state)
{
	Fixture *fixture = *state;
	autofd fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	Error *error = loop_watch(&fixture->first, fixture->loop, fd, LOOP_READ, on_both, fixture);

	assert_non_null(error);
	assert_int_equal(error_number(error), EPERM);
	error_free(error);
	assert_null(fixture->first);
}

/* Both descriptors are ready in the same round; whoever comes first frees itself and the other. */
static void on_ready_free_both(void *arg, int fd, unsigned events)
{
	Fixture *fixture = arg;

	(void)fd;
	(void)events;
	fixture->first = source_free(fixture->first);
	fixture->second = source_free(fixture->second);
	count(fixture);
}

static void sources_may_be_freed_in_callbacks(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_watch(&fixture->first, fixture->loop, fixture->pair[0], LOOP_READ, on_ready_free_both, fixture));
	check_ok(loop_watch(&fixture->second, fixture->loop, fixture->pair[1], LOOP_READ, on_ready_free_both, fixture));
	assert_int_equal(write(fixture->pair[0], "a", 1), 1);
	assert_int_equal(write(fixture->pair[1], "a", 1), 1);
	check_ok(loop_run_once(fixture->loop));
	assert_int_equal(fixture->calls, 1);
	check_ok(loop_timer(&fixture->first, fixture->loop, 2 * NANOS_PER_MILLI, count_and_stop, fixture));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 2);
}

/* ---- timers ---- */

static void timers_are_neither_early_nor_repeated(void **state)
{
	Fixture *fixture = *state;

	for (int64_t delay = 0; delay < 20 * NANOS_PER_MILLI; delay += 3141592) {
		int64_t start = clock_monotonic_ns();
		check_ok(loop_timer(&fixture->first, fixture->loop, delay, count_and_stop, fixture));
		check_ok(loop_run(fixture->loop));
		assert_true(fixture->called_at - start >= delay);
		fixture->first = source_free(fixture->first);
	}
	fixture->calls = 0;
	check_ok(loop_timer(&fixture->first, fixture->loop, 0, count, fixture));
	check_ok(loop_timer(&fixture->second, fixture->loop, 10 * NANOS_PER_MILLI, count_and_stop, fixture));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 2);
}

static void rearm_from_callback(void *arg)
{
	Fixture *fixture = arg;

	count(fixture);
	if (fixture->calls < 3)
		source_rearm(fixture->first, NANOS_PER_MILLI);
	else
		loop_stop(fixture->loop);
}

static void timers_can_be_rearmed_and_stopped(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_timer(&fixture->first, fixture->loop, -1, rearm_from_callback, fixture));
	check_ok(loop_timer(&fixture->second, fixture->loop, 4 * NANOS_PER_MILLI, count_and_stop, fixture));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 1); /* the second alone */
	fixture->calls = 0;
	source_rearm(fixture->second, 0);
	source_rearm(fixture->second, -1);
	source_rearm(fixture->first, 0);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 3);
}

static void timers_can_be_brought_forward_and_not_put_off(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_timer(&fixture->first, fixture->loop, 0, count_and_stop, fixture));
	source_rearm_sooner(fixture->first, 3600 * NANOS_PER_SECOND); /* else it would never come back */
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 1);
	source_rearm_sooner(fixture->first, 3600 * NANOS_PER_SECOND); /* it does not wait: it begins to */
	source_rearm_sooner(fixture->first, 0);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 2);
}

/* A timer counts from when it is set, not from when its round of callbacks began. */
static void set_timer_late(void *arg)
{
	Fixture *fixture = arg;

	usleep(20000);
	fixture->called_at = clock_monotonic_ns();
	source_rearm(fixture->second, 10 * NANOS_PER_MILLI);
}

static void slow_callbacks_do_not_shorten_timers(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_timer(&fixture->second, fixture->loop, -1, count_and_stop, fixture));
	check_ok(loop_timer(&fixture->first, fixture->loop, 0, set_timer_late, fixture));
	check_ok(loop_run_once(fixture->loop));
	int64_t set_at = fixture->called_at;
	check_ok(loop_run(fixture->loop));
	assert_true(fixture->called_at - set_at >= 10 * NANOS_PER_MILLI);
}

/* ---- signals and children ---- */

static void handles_signals(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_signal(&fixture->first, fixture->loop, SIGUSR1, count_and_stop, fixture));
	raise(SIGUSR1);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 1);
}

static void on_child(void *arg, int wait_status)
{
	Fixture *fixture = arg;

	fixture->status = wait_status;
	fixture->first = source_free(fixture->first);
	count_and_stop(fixture);
}

static pid_t start(const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	pid_t pid = -1;

	check_ok(process_spawn(&pid, &(ProcessSpec){.path = "sh", .argv = argv}));
	return pid;
}

static void reaps_children(void **state)
{
	Fixture *fixture = *state;
	pid_t pid = start("exit 7");

	check_ok(loop_child(&fixture->first, fixture->loop, pid, on_child, fixture));
	check_ok(loop_run(fixture->loop));
	assert_true(WIFEXITED(fixture->status));
	assert_int_equal(WEXITSTATUS(fixture->status), 7);
	assert_int_equal(kill(pid, 0), -1);

	pid = start("kill -9 $$");
	usleep(20000); /* it is dead before it is watched */
	check_ok(loop_child(&fixture->first, fixture->loop, pid, on_child, fixture));
	check_ok(loop_run(fixture->loop));
	assert_true(WIFSIGNALED(fixture->status));
	assert_int_equal(WTERMSIG(fixture->status), SIGKILL);
}

static void tells_when_somebody_else_reaped(void **state)
{
	Fixture *fixture = *state;
	pid_t pid = start("exit 7");

	check_ok(loop_child(&fixture->first, fixture->loop, pid, on_child, fixture));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->status, -1);

	Error *error = loop_child(&fixture->first, fixture->loop, pid, on_child, fixture);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
}

/* ---- deferred calls ---- */

static void on_readable_defer(void *arg, int fd, unsigned events)
{
	Fixture *fixture = arg;
	char byte;

	(void)events;
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(fixture->calls, 0);
	check_ok(loop_defer(&fixture->second, fixture->loop, count_and_stop, fixture));
	assert_int_equal(fixture->calls, 0); /* not within the callback */
}

static void defers_to_after_the_callbacks(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_watch(&fixture->first, fixture->loop, fixture->pair[0], LOOP_READ, on_readable_defer, fixture));
	assert_int_equal(write(fixture->pair[1], "a", 1), 1);
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 1);
}

static void defer_again(void *arg)
{
	Fixture *fixture = arg;

	fixture->status++;
	fixture->first = source_free(fixture->first);
	check_ok(loop_defer(&fixture->first, fixture->loop, defer_again, fixture));
}

static void endless_deferring_starves_nobody(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_defer(&fixture->first, fixture->loop, defer_again, fixture));
	check_ok(loop_timer(&fixture->second, fixture->loop, 5 * NANOS_PER_MILLI, count_and_stop, fixture));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 1);
	assert_true(fixture->status > 1);
}

static void free_second(void *arg)
{
	Fixture *fixture = arg;

	fixture->second = source_free(fixture->second);
}

static void on_readable_count(void *arg, int fd, unsigned events)
{
	Fixture *fixture = arg;

	(void)fd;
	(void)events;
	if (++fixture->status > 1000) /* nothing is read: it stays so */
		source_set_events(fixture->first, 0);
}

static void what_stays_readable_starves_no_deferred_call(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_watch(&fixture->first, fixture->loop, fixture->pair[0], LOOP_READ, on_readable_count, fixture));
	assert_int_equal(write(fixture->pair[1], "x", 1), 1);
	for (int turn = 1; turn <= 5; turn++) {
		check_ok(loop_defer(&fixture->second, fixture->loop, count, fixture));
		check_ok(loop_run_once(fixture->loop));
		assert_int_equal(fixture->calls, turn);
		assert_int_equal(fixture->status, turn);
		fixture->second = source_free(fixture->second);
	}
}

static void deferred_calls_can_be_cancelled(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_defer(&fixture->first, fixture->loop, count, fixture));
	fixture->first = source_free(fixture->first);
	check_ok(loop_defer(&fixture->first, fixture->loop, free_second, fixture)); /* of the same round */
	check_ok(loop_defer(&fixture->second, fixture->loop, count, fixture));
	check_ok(loop_run_once(fixture->loop));
	assert_int_equal(fixture->calls, 0);
}

typedef struct Object {
	Fixture *fixture;
	Source *source;
} Object;

static void object_free(void *arg)
{
	Object *object = arg;

	object->fixture->calls += 10;
	source_free(object->source);
	free(object);
}

static void object_ends(void *arg)
{
	Object *object = arg;

	loop_defer_free(object->fixture->loop, object_free, object);
	loop_stop(object->fixture->loop);
	object->fixture->calls++; /* the object is still there */
}

static void frees_objects_that_end_in_their_callback(void **state)
{
	Fixture *fixture = *state;
	Object *object = calloc(1, sizeof(*object));

	object->fixture = fixture;
	check_ok(loop_timer(&object->source, fixture->loop, 0, object_ends, object));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 11);
}

static void the_loop_ends_before_its_sources(void **state)
{
	Fixture *fixture = *state;
	Object *object = calloc(1, sizeof(*object));

	object->fixture = fixture;
	check_ok(loop_timer(&fixture->first, fixture->loop, 0, count, fixture));
	check_ok(loop_defer(&fixture->second, fixture->loop, count, fixture));
	loop_defer_free(fixture->loop, object_free, object);
	fixture->loop = loop_free(fixture->loop);
	assert_int_equal(fixture->calls, 10); /* the object is freed, no handler of a living source called */
	source_rearm(fixture->first, 0);
	source_set_events(fixture->first, LOOP_READ);
}

static void can_be_stopped_before_it_runs(void **state)
{
	Fixture *fixture = *state;

	loop_stop(fixture->loop);
	check_ok(loop_run(fixture->loop));
	check_ok(loop_timer(&fixture->first, fixture->loop, 0, count_and_stop, fixture));
	check_ok(loop_run(fixture->loop));
	assert_int_equal(fixture->calls, 1);
}

/* ---- after work ---- */

static void rests_once_after_work(void **state)
{
	Fixture *fixture = *state;
	char two[2];

	check_ok(loop_after_work(&fixture->first, fixture->loop, 1000000, count, fixture));
	check_ok(loop_watch(&fixture->second, fixture->loop, fixture->pair[0], LOOP_READ, read_two, two));
	for (int round = 1; round <= 3; round++) {
		assert_int_equal(write(fixture->pair[1], "ab", 2), 2);
		while (fixture->calls < round)
			check_ok(loop_run_once(fixture->loop));
	}
	assert_int_equal(fixture->calls, 3);
}

static void does_not_rest_from_resting(void **state)
{
	Fixture *fixture = *state;
	Source *later = NULL;

	check_ok(loop_after_work(&fixture->first, fixture->loop, 1000000, count, fixture));
	check_ok(loop_timer(&fixture->second, fixture->loop, 0, ignore, NULL));
	check_ok(loop_run_once(fixture->loop)); /* work */
	check_ok(loop_run_once(fixture->loop)); /* the rest after it */
	assert_int_equal(fixture->calls, 1);
	check_ok(loop_timer(&later, fixture->loop, 20000000, stop_loop, fixture->loop));
	check_ok(loop_run(fixture->loop));
	source_free(later);
	assert_int_equal(fixture->calls, 1);
}

static void rest_can_be_freed(void **state)
{
	Fixture *fixture = *state;

	check_ok(loop_after_work(&fixture->first, fixture->loop, 0, count, fixture));
	check_ok(loop_timer(&fixture->second, fixture->loop, 0, ignore, NULL));
	check_ok(loop_run_once(fixture->loop));
	fixture->first = source_free(fixture->first);
	source_rearm(fixture->second, 0);
	check_ok(loop_run_once(fixture->loop));
	assert_int_equal(fixture->calls, 0);
}

#define loop_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(tells_readable_descriptors),
		loop_test(changes_and_pauses_events),
		loop_test(cannot_watch_files),
		loop_test(sources_may_be_freed_in_callbacks),
		loop_test(timers_are_neither_early_nor_repeated),
		loop_test(timers_can_be_rearmed_and_stopped),
		loop_test(timers_can_be_brought_forward_and_not_put_off),
		loop_test(slow_callbacks_do_not_shorten_timers),
		loop_test(handles_signals),
		loop_test(reaps_children),
		loop_test(tells_when_somebody_else_reaped),
		loop_test(defers_to_after_the_callbacks),
		loop_test(endless_deferring_starves_nobody),
		loop_test(what_stays_readable_starves_no_deferred_call),
		loop_test(deferred_calls_can_be_cancelled),
		loop_test(frees_objects_that_end_in_their_callback),
		loop_test(the_loop_ends_before_its_sources),
		loop_test(can_be_stopped_before_it_runs),
		loop_test(rests_once_after_work),
		loop_test(does_not_rest_from_resting),
		loop_test(rest_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
