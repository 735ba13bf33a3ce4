// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup.h"

#include <signal.h>
#include <sys/wait.h>

#include "layers.h"

static const char legacy[] = "22 1 253:0 / / rw,relatime - ext4 /dev/vda rw\n"
			     "31 22 0:28 / %1$s rw,relatime - tmpfs tmpfs rw,mode=755\n"
			     "32 31 0:29 / %1$s/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
			     "35 31 0:32 / %1$s/memory rw,relatime - cgroup cgroup rw,memory\n"
			     "38 31 0:35 / %1$s/blkio rw,relatime - cgroup cgroup rw,blkio\n"
			     "39 31 0:36 / %1$s/pids rw,relatime - cgroup cgroup rw,pids\n"
			     "40 31 0:37 / %1$s/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
			     "39 31 0:36 / /other/view rw,relatime - cgroup cgroup rw,pids\n"
			     "torn line\n";

static const char hybrid[] = "35 31 0:32 / %1$s/memory rw,relatime - cgroup cgroup rw,memory\n"
			     "41 31 0:38 / %1$s/unified rw,relatime - cgroup2 cgroup2 rw\n";

static const char unified[] = "41 31 0:38 / %1$s/uni\\040fied rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

static CgroupLayout *parse(const char *format, const char *top)
{
	CgroupLayout *layout = NULL;
	autofree char *text = string_printf(format, top);

	check_ok(cgroup_layout_parse(&layout, text));
	return layout;
}

static void test_legacy_layout(void **state)
{
	autoptr(CgroupLayout) layout = parse(legacy, *state);

	assert_false(cgroup_is_v2(layout));
	assert_true(cgroup_has(layout, "cpu"));
	assert_true(cgroup_has(layout, "cpuacct"));
	assert_true(cgroup_has(layout, "memory"));
	assert_true(cgroup_has(layout, "pids"));
	assert_false(cgroup_has(layout, "freezer"));
	assert_false(cgroup_has(layout, "cgroup"));
	assert_false(cgroup_limits_swap(layout));
	check_ok(cgroup_check_crun(layout));
	autofree char *expected = string_printf("%s/memory/kedge/x/memory.oom_control", (char *)*state);
	check_text(cgroup_oom_file(layout, "/kedge/x"), expected);
}

static void test_hybrid_layout(void **state)
{
	autofree char *message = string_printf("crun cannot run containers while \"%s/unified\" holds the controller "
					       "\"hugetlb\" beside control groups of version 1",
		(char *)*state);

	put_file(*state, "unified/cgroup.controllers", "hugetlb misc\n");
	autoptr(CgroupLayout) layout = parse(hybrid, *state);
	assert_false(cgroup_is_v2(layout));
	assert_true(cgroup_has(layout, "hugetlb"));
	check_error(cgroup_check_crun(layout), ERROR_UNAVAILABLE, message);
	put_file(*state, "unified/cgroup.controllers", "\n");
	check_ok(cgroup_check_crun(layout));
	autoptr(CgroupLayout) fine = parse(hybrid, *state);
	assert_false(cgroup_is_v2(fine));
	check_ok(cgroup_check_crun(fine));
}

static void test_unified_layout(void **state)
{
	put_file(*state, "uni fied/cgroup.controllers", "cpuset cpu io memory pids\n");
	put_file(*state, "uni fied/init.scope/memory.swap.max", "max\n");
	autoptr(CgroupLayout) layout = parse(unified, *state);
	assert_true(cgroup_is_v2(layout));
	assert_true(cgroup_has(layout, "blkio"));
	assert_true(cgroup_has(layout, "cpuacct"));
	assert_false(cgroup_has(layout, "hugetlb"));
	assert_true(cgroup_limits_swap(layout));
	check_ok(cgroup_check_crun(layout));
	autofree char *expected = string_printf("%s/uni fied/kedge/x/memory.events", (char *)*state);
	check_text(cgroup_oom_file(layout, "/kedge/x"), expected);
}

/* A machine whose only groups are those that the engine makes. */
static void test_swap_is_known_with_the_first_group(void **state)
{
	put_file(*state, "uni fied/cgroup.controllers", "memory\n");
	put_file(*state, "uni fied/cgroup.subtree_control", "");
	autoptr(CgroupLayout) layout = parse(unified, *state);
	assert_false(cgroup_limits_swap(layout));
	put_file(*state, "uni fied/kedge/memory.swap.max", "max\n"); /* as the kernel makes it */
	put_file(*state, "uni fied/kedge/cgroup.subtree_control", "");
	check_ok(cgroup_make_parent(layout, "/kedge"));
	assert_true(cgroup_limits_swap(layout));
}

static void test_no_layout(void **state)
{
	CgroupLayout *layout = NULL;

	(void)state;
	check_error(cgroup_layout_parse(&layout, "22 1 253:0 / / rw - ext4 /dev/vda rw\n"), ERROR_UNAVAILABLE,
		"no control group hierarchy is mounted");
	assert_null(layout);
}

static int64_t memory_number(const CgroupStats *stats, const char *name)
{
	for (size_t i = 0; i < stats->memory_count; i++)
		if (strcmp(stats->memory[i].name, name) == 0)
			return stats->memory[i].value;
	return -1;
}

static int64_t io_sum(const StatIoList *list, const char *operation)
{
	int64_t sum = 0;

	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i].operation, operation) == 0)
			sum += list->items[i].value;
	return sum;
}

static void test_legacy_stats(void **state)
{
	CgroupStats stats;

	put_file(*state, "cpu,cpuacct/k/cpuacct.usage", "123456789\n");
	put_file(*state, "cpu,cpuacct/k/cpuacct.stat", "user 12\nsystem 34\n");
	put_file(*state, "cpu,cpuacct/k/cpu.stat", "nr_periods 5\nnr_throttled 3\nthrottled_time 777\n");
	put_file(*state, "memory/k/memory.usage_in_bytes", "4096000\n");
	put_file(*state, "memory/k/memory.max_usage_in_bytes", "5000000\n");
	put_file(*state, "memory/k/memory.limit_in_bytes", "9223372036854771712\n");
	put_file(
		*state, "memory/k/memory.stat", "cache 1\ntotal_cache 2048\ninactive_file 3\ntotal_inactive_file 1024");
	put_file(*state, "pids/k/pids.current", "7\n");
	put_file(*state, "pids/k/pids.max", "max\n");
	put_file(*state, "blkio/k/blkio.throttle.io_service_bytes_recursive",
		"8:0 Read 100\n8:0 Write 200\n8:0 Sync 300\n8:16 Read 11\n8:16 Write 22\nTotal 333\n");
	autoptr(CgroupLayout) layout = parse(legacy, *state);
	check_ok(cgroup_stats_read(&stats, layout, "/k"));
	assert_int_equal(stats.cpu_total_ns, 123456789);
	assert_int_equal(stats.cpu_user_ns, 12 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(stats.cpu_system_ns, 34 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(stats.cpu_periods, 5);
	assert_int_equal(stats.cpu_throttled_periods, 3);
	assert_int_equal(stats.cpu_throttled_ns, 777);
	assert_int_equal(stats.memory_usage, 4096000);
	assert_int_equal(stats.memory_max_usage, 5000000);
	assert_int_equal(stats.memory_limit, 0);
	assert_int_equal(memory_number(&stats, "total_cache"), 2048);
	assert_int_equal(memory_number(&stats, "total_inactive_file"), 1024);
	assert_int_equal(stats.pids_current, 7);
	assert_int_equal(stats.pids_limit, 0);
	assert_int_equal(io_sum(&stats.io_bytes, "read"), 111);
	assert_int_equal(io_sum(&stats.io_bytes, "write"), 222);
}

static void test_unified_stats(void **state)
{
	CgroupStats stats;

	put_file(*state, "uni fied/cgroup.controllers", "cpu io memory pids\n");
	put_file(*state, "uni fied/k/cpu.stat",
		"usage_usec 1000\nuser_usec 600\nsystem_usec 400\nnr_periods 9\nnr_throttled 2\nthrottled_usec 50\n");
	put_file(*state, "uni fied/k/memory.current", "1000\n");
	put_file(*state, "uni fied/k/memory.peak", "2000\n");
	put_file(*state, "uni fied/k/memory.max", "67108864\n");
	put_file(*state, "uni fied/k/memory.stat", "anon 5\nfile 300\nfile_mapped 1\ninactive_file 200\n");
	put_file(*state, "uni fied/k/pids.current", "3\n");
	put_file(*state, "uni fied/k/pids.max", "50\n");
	put_file(*state, "uni fied/k/io.stat",
		"8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=7 dios=0\n8:16 rbytes=5 wbytes=6 rios=1 wios=1\n");
	autoptr(CgroupLayout) layout = parse(unified, *state);
	check_ok(cgroup_stats_read(&stats, layout, "/k"));
	assert_int_equal(stats.cpu_total_ns, 1000000);
	assert_int_equal(stats.cpu_user_ns, 600000);
	assert_int_equal(stats.cpu_system_ns, 400000);
	assert_int_equal(stats.cpu_throttled_ns, 50000);
	assert_int_equal(stats.memory_usage, 1000);
	assert_int_equal(stats.memory_max_usage, 2000);
	assert_int_equal(stats.memory_limit, 67108864);
	assert_int_equal(memory_number(&stats, "file"), 300);
	assert_int_equal(memory_number(&stats, "inactive_file"), 200);
	assert_int_equal(stats.pids_current, 3);
	assert_int_equal(stats.pids_limit, 50);
	assert_int_equal(io_sum(&stats.io_bytes, "read"), 105);
	assert_int_equal(io_sum(&stats.io_bytes, "write"), 26);
}

static void test_stats_of_what_is_not_there(void **state)
{
	CgroupStats stats;

	put_file(*state, "memory/k/memory.usage_in_bytes", "17\n");
	autoptr(CgroupLayout) layout = parse(legacy, *state);
	check_ok(cgroup_stats_read(&stats, layout, "k"));
	assert_int_equal(stats.memory_usage, 17);
	assert_int_equal(stats.pids_current, 0);
	check_error(
		cgroup_stats_read(&stats, layout, "/gone"), ERROR_NOT_FOUND, "control group \"/gone\" is not there");
}

/* ---- with the host's own groups ---- */

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

/* What a forking process does to a killer: it and its children never stop having children. */
static pid_t start_forker(const char *procs)
{
	pid_t pid = fork();

	if (pid == 0) {
		autofree char *own = string_printf("%d", getpid());
		if (file_poke(AT_FDCWD, procs, own))
			_exit(1);
		for (;;)
			if (fork() == 0)
				usleep(20000), _exit(0);
			else
				usleep(500);
	}
	return pid;
}

static void enter(const char *group, pid_t pid)
{
	autofree char *file = string_printf("%s/cgroup.procs", group), *text = string_printf("%d", pid);

	check_ok(file_poke(AT_FDCWD, file, text));
}

/* Gives the directory of the group in the hierarchy that cgroup_kill() looks into. */
static char *host_group(CgroupLayout **ret_layout, char *ret_name, size_t size)
{
	snprintf(ret_name, size, "/kedge-unit-%d", getpid());
	if (geteuid() != 0)
		skip();
	Error *error = cgroup_layout_read(ret_layout);
	if (!error)
		error = cgroup_make_parent(*ret_layout, ret_name);
	if (error) {
		error_free(error);
		skip(); /* no control groups in this sandbox */
	}
	autofree char *oom = cgroup_oom_file(*ret_layout, ret_name);
	*strrchr(oom, '/') = '\0';
	return take(oom);
}

static bool has_gone(pid_t pid)
{
	int status;

	for (int i = 0; i < 500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		usleep(10000);
	}
	return false;
}

static void remove_patiently(const CgroupLayout *layout, const char *name)
{
	Error *error = NULL;

	for (int i = 0; i < 500 && (error = cgroup_remove(layout, name)); i++) {
		assert_int_equal(error_kind(error), ERROR_CONFLICT);
		error_free(error);
		usleep(10000);
	}
	check_ok(error);
}

static void test_killing_and_removing(void **state)
{
	autoptr(CgroupLayout) layout = NULL;
	char name[64];
	autofree char *group = host_group(&layout, name, sizeof(name));
	autofree char *child = string_printf("%s/child", group), *moved = NULL;
	pid_t one = start_sleeper(), other = start_sleeper();
	CgroupStats stats;

	(void)state;
	/* one in the group itself where version 1 allows it, one in a group below; each hierarchy for itself */
	assert_int_equal(mkdir(child, 0755), 0);
	enter(child, one);
	enter(child, other);
	check_ok(cgroup_stats_read(&stats, layout, name));
	Error *error = cgroup_remove(layout, name);
	assert_int_equal(error_kind(error), ERROR_CONFLICT);
	error_free(error);
	/* the hierarchy that is asked for members may be another one: the test moves them there too */
	static const char *const others[] = {"freezer", "pids"};
	for (size_t i = 0; i < 2 && !cgroup_is_v2(layout); i++) {
		moved = string_printf("/sys/fs/cgroup/%s%s", others[i], name);
		if (file_exists(AT_FDCWD, moved)) {
			enter(moved, one);
			enter(moved, other);
		}
		free(take(moved));
	}
	check_ok(cgroup_make_parent(layout, name));
	check_ok(cgroup_kill(layout, name));
	assert_true(has_gone(one));
	assert_true(has_gone(other));
	check_ok(cgroup_kill(layout, name));
	remove_patiently(layout, name);
	check_ok(cgroup_remove(layout, name));
	check_ok(cgroup_kill(layout, name));
}

static void test_killing_a_forker(void **state)
{
	autoptr(CgroupLayout) layout = NULL;
	char name[64];
	autofree char *group = host_group(&layout, name, sizeof(name)), *procs = NULL;

	(void)state;
	if (cgroup_is_v2(layout)) {
		remove_patiently(layout, name);
		skip(); /* processes only in leaves; the test of killing at once is the one above */
	}
	autofree char *freezer = string_printf("/sys/fs/cgroup/freezer%s", name);
	procs = string_printf("%s/cgroup.procs", file_exists(AT_FDCWD, freezer) ? freezer : group);
	pid_t pid = start_forker(procs);
	usleep(100000);
	check_ok(cgroup_kill(layout, name));
	assert_true(has_gone(pid));
	remove_patiently(layout, name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_legacy_layout),
		directory_test(test_hybrid_layout),
		directory_test(test_unified_layout),
		directory_test(test_swap_is_known_with_the_first_group),
		directory_test(test_no_layout),
		directory_test(test_legacy_stats),
		directory_test(test_unified_stats),
		directory_test(test_stats_of_what_is_not_there),
		cmocka_unit_test(test_killing_and_removing),
		cmocka_unit_test(test_killing_a_forker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
