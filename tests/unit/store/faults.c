// SPDX-License-Identifier: Apache-2.0
/* Fails, then kills, at the k-th fault point of a store's whole life, for every k. */
#include "scenario.h"

static void check_each_point(const char *directory, const char *action)
{
	int points = count_points(directory);

	assert_in_range(points, 50, 1000);
	for (int k = 1; k <= points; k++) {
		autofree char *root = string_printf("%s/%d", directory, k),
			      *done = string_printf("%s/%d.done", directory, k);
		autofree char *setting = string_printf("*:%d:%s", k, action);
		int status = run_scenario(root, done, setting, NULL);
		bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		bool is_failed =
			WIFEXITED(status) && WEXITSTATUS(status) <= 1; /* 0: a failure that nobody needs to know of */
		if (!(string_equal(action, "kill") ? is_killed : is_failed))
			fail_msg("point %d of %d: status %#x", k, points, (unsigned)status);
		check_after(root, count_acknowledged(done));
		check_ok(tree_remove(AT_FDCWD, root));
	}
	print_message("%d points\n", points);
}

/* A second life on what the first one left, killed somewhere too, mostly in its recovery. */
static void check_twice_killed(const char *directory)
{
	for (int k = 1; k <= 80; k++) {
		autofree char *root = string_printf("%s/%d", directory, k),
			      *done = string_printf("%s/%d.done", directory, k);
		autofree char *first = string_printf("*:%d:kill", k), *second = string_printf("*:%d:kill", 1 + k % 12);
		run_scenario(root, done, first, NULL);
		run_scenario(root, done, second, NULL);
		check_after(root, 0);
		check_ok(tree_remove(AT_FDCWD, root));
	}
}

static void leave_a_sound_store_when_they_kill_recovery(void **state)
{
	check_twice_killed(*state);
}

static void leave_a_sound_store_when_they_fail(void **state)
{
	check_each_point(*state, "fail");
}

static void leave_a_sound_store_when_they_kill(void **state)
{
	check_each_point(*state, "kill");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		directory_test(leave_a_sound_store_when_they_fail),
		directory_test(leave_a_sound_store_when_they_kill),
		directory_test(leave_a_sound_store_when_they_kill_recovery),
	};

	if (argc == 4)
		return scenario_main(argv[2], argv[3]);
	return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
