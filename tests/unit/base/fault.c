// SPDX-License-Identifier: Apache-2.0
/* The settings come from the environment once, so that each check runs this program again as a child. */
#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/process.h"
#include "base/strings.h"
#include "check.h"

/* As a child: passes "a", "b", "a", "b", ...; the exit status is the number of the call that failed. */
static int pass_points(void)
{
	for (int i = 1; i <= 6; i++) {
		Error *error = fault(i % 2 ? "a" : "b");
		if (!error)
			continue;
		bool is_right = string_equal(error_message(error),
			i % 2 ? "fault \"a\": Input/output error" : "fault \"b\": Input/output error");
		error_free(error);
		return is_right ? i : 100;
	}
	return 0;
}

static int status_with(const char *setting, const char *count_file)
{
	autofree char *fault_env = string_printf("KEDGE_FAULT=%s", setting);
	autofree char *count_env = string_printf("KEDGE_FAULT_COUNT=%s", count_file);
	const char *const argv[] = {"fault", "child", NULL};
	const char *const env[] = {*setting ? fault_env : count_env, count_env, NULL};
	int status;
	pid_t pid;

	check_ok(process_spawn(&pid, &(ProcessSpec){.path = "/proc/self/exe", .argv = argv, .env = env}));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void fails_the_call_that_is_asked_for(void **state)
{
	autofree char *count_file = path_join(*state, "count");

	assert_int_equal(status_with("a:2:fail", count_file), 3 << 8);
	assert_int_equal(status_with("b:1:fail", count_file), 2 << 8);
	assert_int_equal(status_with("*:5:fail", count_file), 5 << 8);
	assert_int_equal(status_with("a:4:fail", count_file), 0);
	assert_int_equal(status_with("c:1:fail", count_file), 0);
}

static void kills_where_it_is_asked_for(void **state)
{
	autofree char *count_file = path_join(*state, "count");

	assert_int_equal(status_with("b:3:kill", count_file), SIGKILL);
	assert_false(file_exists(AT_FDCWD, count_file));
}

static void counts_the_points_that_were_passed(void **state)
{
	autofree char *count_file = path_join(*state, "count"), *text = NULL;

	assert_int_equal(status_with("", count_file), 0);
	check_ok(file_read(&text, NULL, AT_FDCWD, count_file, 100));
	assert_string_equal(text, "6\n");
}

static void refuses_other_settings(void **state)
{
	autofree char *count_file = path_join(*state, "count");

	for (const char *const *setting =
			(const char *const[]){"a", "a:1", "a:0:fail", "a:x:fail", "a:1:explode", NULL};
		*setting; setting++)
		assert_int_equal(status_with(*setting, count_file), 2 << 8);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		directory_test(fails_the_call_that_is_asked_for),
		directory_test(kills_where_it_is_asked_for),
		directory_test(counts_the_points_that_were_passed),
		directory_test(refuses_other_settings),
	};

	(void)argv;
	return argc > 1 ? pass_points() : cmocka_run_group_tests(tests, NULL, NULL);
}
