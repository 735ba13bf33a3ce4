// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/strings.h"
#include "check.h"

static int run_program(ProcessSpec *spec, const char *const *argv)
{
	int status;
	pid_t pid = -1;

	spec->path = argv[0];
	spec->argv = argv;
	check_ok(process_spawn(&pid, spec));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs a shell script with the spec's other settings; gives the exit status. */
static int run(ProcessSpec *spec, const char *script)
{
	return run_program(spec, (const char *const[]){"/bin/sh", "-c", script, NULL});
}

static int open_with(const char *directory, const char *name, const char *text)
{
	autofree char *path = path_join(directory, name);
	int fd;

	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0600));
	check_ok(file_open(&fd, AT_FDCWD, path, O_RDONLY, 0));
	return fd;
}

/* Our numbers are the child's others, in a circle: a naive row of dup2 calls would give it one file three times. */
static void descriptors_may_swap(void **state)
{
	int a = open_with(*state, "a", "a\n"), b = open_with(*state, "b", "b\n"), c = open_with(*state, "c", "c\n");
	ProcessSpec spec = {.fds = {{a, b}, {b, c}, {c, a}}, .fd_count = 3};
	autofree char *script = string_printf("read p <&%d; read q <&%d; read r <&%d; test \"$p$q$r\" = abc", b, c, a);

	assert_true(a < 10 && b < 10 && c < 10); /* dash redirects from one-digit numbers only */
	assert_int_equal(run(&spec, script), 0);
	close(a);
	close(b);
	close(c);
}

static void keeps_a_descriptor_at_its_number(void **state)
{
	int fd = open_with(*state, "a", "a\n");
	ProcessSpec spec = {.fds = {{fd, fd}}, .fd_count = 1};
	autofree char *script = string_printf("read x <&%d; test \"$x\" = a", fd);

	assert_int_equal(run(&spec, script), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC); /* ours is as it was */
	close(fd);
}

static void high_targets_do_not_meet_the_spares(void **state)
{
	int a = open_with(*state, "a", "a\n"), b = open_with(*state, "b", "b\n");
	ProcessSpec spec = {.fds = {{a, 65}, {b, 64}, {a, 66}}, .fd_count = 3};

	assert_int_equal(run(&spec, "test \"$(cat /proc/self/fd/64 /proc/self/fd/65 | tr -d '\\n')\" = ba"), 0);
	close(a);
	close(b);
}

static void a_block_follows_its_first_number(void **state)
{
	int a = open_with(*state, "a", "a\n"), b = open_with(*state, "b", "b\n"), block[1000];
	ProcessSpec spec = {.fds = {{b, 0}}, .fd_count = 1, .block = block, .block_count = 1000, .block_to = a};

	for (int i = 0; i < 1000; i++)
		block[i] = i % 2 ? a : b; /* a naive row of dup2 calls would overwrite a first */
	autofree char *script = string_printf("cd /proc/self/fd && test \"$(cat 0 %d %d %d | tr -d '\\n')\" = bbaa && "
					      "test ! -e %d",
		a, a + 1, a + 999, a + 1000);
	assert_int_equal(run(&spec, script), 0);
	block[7] = 4000;
	pid_t pid;
	check_error(
		process_spawn(&pid, &spec), ERROR_INTERNAL, "could not duplicate descriptor 4000: Bad file descriptor");
	close(a);
	close(b);
}

/* Its number may be the child's for something else. */
static void an_open_program_is_found_among_many(void **state)
{
	int a = open_with(*state, "a", "a\n"), shell = open("/bin/sh", O_RDONLY | O_CLOEXEC), block[100];
	ProcessSpec spec = {.path = "shell", .program_fd = shell, .block = block, .block_count = 100, .block_to = 3};
	const char *const argv[] = {
		"sh", "-c", "test \"$(cat /proc/self/fd/102)\" = a && test ! -e /proc/self/fd/103", NULL};
	int status;
	pid_t pid;

	for (int i = 0; i < 100; i++)
		block[i] = a;
	spec.argv = argv;
	check_ok(process_spawn(&pid, &spec));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	spec.program_fd = a;
	check_error(process_spawn(&pid, &spec), ERROR_FORBIDDEN, "could not start \"shell\": Permission denied");
	close(a);
	close(shell);
}

static void gives_nothing_else_away(void **state)
{
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* what the program that runs this test gave to it */
	int fd = open_with(*state, "a", "a\n");
	ProcessSpec spec = {0};

	assert_int_equal(run(&spec, "test \"$(readlink /proc/$$/fd/0)\" = /dev/null"), 0);
	assert_int_equal(run(&spec, "test \"$(readlink /proc/$$/fd/1)\" = /dev/null"), 0);
	assert_int_equal(
		run(&spec, "i=3; while test $i -lt 200; do test -e /proc/$$/fd/$i && exit 1; i=$((i + 1)); done"), 0);
	close(fd);
}

/* Without a shell, which has ideas of its own about signals. */
static bool child_status_has(const char *pattern)
{
	ProcessSpec spec = {0};

	return !run_program(&spec, (const char *const[]){"grep", "-Eq", pattern, "/proc/self/status", NULL});
}

static void starts_with_clean_signals(void **state)
{
	sigset_t blocked, old;

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	assert_true(child_status_has("SigBlk:.0*$"));
	/* the C library itself leaves 32 and 33 ignored, which are its threads' */
	assert_true(child_status_has("SigIgn:.0*(180000000)?$"));
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void sets_session_directory_and_environment(void **state)
{
	const char *const env[] = {"A=1", NULL};
	ProcessSpec spec = {.env = env, .directory = *state, .new_session = true};

	assert_int_equal(run(&spec, "test \"$(pwd):$A:$HOME\" = \"/tmp/kedge-unit-${PWD##*-}:1:\""), 0);
	assert_int_equal(run(&spec, "set -- $(cat /proc/$$/stat); test $6 = $$"), 0);
	setenv("HOME", "/root", 1);
	spec.env = NULL;
	assert_int_equal(run(&spec, "test -z \"$HOME\" && test -n \"$PATH\""), 0);
}

static void says_what_could_not_be_started(void **state)
{
	const char *const argv[] = {"x", NULL};
	pid_t pid = 7;

	(void)state;
	check_error(process_spawn(&pid, &(ProcessSpec){.path = "/no/such", .argv = argv}), ERROR_NOT_FOUND,
		"could not start \"/no/such\": No such file or directory");
	check_error(process_spawn(&pid, &(ProcessSpec){.path = "sh", .argv = argv, .fds = {{999, 3}}, .fd_count = 1}),
		ERROR_INTERNAL, "could not duplicate descriptor 999: Bad file descriptor");
	assert_int_equal(pid, 7);
}

static void leaves_no_descriptors_behind(void **state)
{
	int fd = open_with(*state, "a", "a\n"), before = dup(0);
	ProcessSpec spec = {.fds = {{fd, 3}, {fd, 4}}, .fd_count = 2};

	close(before);
	for (int i = 0; i < 20; i++)
		assert_int_equal(run(&spec, "true"), 0);
	int after = fcntl(0, F_DUPFD_CLOEXEC, 64);
	assert_int_equal(after, 64);
	close(after);
	close(fd);
}

static void words_a_wait_status(void **state)
{
	char text[64];

	(void)state;
	process_status_text(text, sizeof(text), 3 << 8);
	assert_string_equal(text, "exit status 3");
	process_status_text(text, sizeof(text), SIGKILL);
	assert_string_equal(text, "killed by signal 9 (KILL)");
	process_status_text(text, sizeof(text), -1);
	assert_string_equal(text, "unknown status -1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(descriptors_may_swap),
		directory_test(keeps_a_descriptor_at_its_number),
		directory_test(high_targets_do_not_meet_the_spares),
		directory_test(a_block_follows_its_first_number),
		directory_test(an_open_program_is_found_among_many),
		directory_test(gives_nothing_else_away),
		cmocka_unit_test(starts_with_clean_signals),
		directory_test(sets_session_directory_and_environment),
		cmocka_unit_test(says_what_could_not_be_started),
		directory_test(leaves_no_descriptors_behind),
		cmocka_unit_test(words_a_wait_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
