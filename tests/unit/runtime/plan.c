// SPDX-License-Identifier: Apache-2.0
/* What is ordinary and what is not; what the steps do is seen in containers (tests/system/test_native.py). */
#include "runtime/plan.h"

#include "check.h"

static const char mountinfo[] = "31 1 0:31 / /c/devices rw - cgroup cgroup rw,devices\n"
				"32 1 0:32 / /c/memory rw - cgroup cgroup rw,memory\n"
				"33 1 0:33 / /c/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
				"34 1 0:34 / /c/cpuset rw - cgroup cgroup rw,cpuset\n"
				"35 1 0:35 / /c/pids rw - cgroup cgroup rw,pids\n"
				"36 1 0:36 / /c/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";

static const char ordinary[] =
	"{\"ociVersion\":\"1.0.2\",\"hostname\":\"h\",\"root\":{\"path\":\"/r\",\"readonly\":true},"
	"\"process\":{\"args\":[\"a\",\"\"],\"terminal\":false,\"user\":{\"uid\":1,\"gid\":2,\"additionalGids\":[2,3]},"
	"\"env\":[\"A=b\"],\"cwd\":\"/w\",\"noNewPrivileges\":true,\"oomScoreAdj\":5,"
	"\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],\"permitted\":[]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":10,\"hard\":20}]},"
	"\"mounts\":[{\"destination\":\"/"
	"proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\","
	"\"nodev\"]},{\"destination\":\"/sys/fs/"
	"cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"nosuid\","
	"\"noexec\",\"nodev\",\"ro\"]},{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/"
	"s\",\"options\":[\"rbind\","
	"\"rprivate\",\"ro\"]}],\"annotations\":{\"run.oci.seccomp_bpf_data\":\"AAAA\"},"
	"\"linux\":{\"cgroupsPath\":\"/k/"
	"id\",\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"cgroup\"},"
	"{\"type\":\"network\"}],\"sysctl\":{\"net.ipv4.x\":\"1\"},\"maskedPaths\":[\"/proc/keys\"],"
	"\"readonlyPaths\":[\"/proc/"
	"sys\"],\"devices\":[],\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"access\":\"rw\"}],\"memory\":{\"limit\":4096},\"cpu\":{"
	"\"shares\":3,"
	"\"cpus\":\"0-1\"},\"pids\":{\"limit\":7}}}}";

/* The steps, their fields separated by "|", and a "|" after each. */
static bool plan_of(Buffer *ret, const char *config)
{
	autoptr(CgroupLayout) layout = NULL;
	Buffer text = {.data = (char *)config, .length = strlen(config)};
	bool is_ordinary = true;

	check_ok(cgroup_layout_parse(&layout, mountinfo));
	const PlanInput input = {.id = "id", .bundle = "/run/id", .config = &text, .cgroups = layout};
	plan_write(ret, &is_ordinary, &input);
	for (size_t i = 0; i < ret->length; i++)
		if (!ret->data[i])
			ret->data[i] = '|';
	return is_ordinary;
}

static void test_steps(void **state)
{
	static const char *const expected[] = {
		"|keyring|id|",
		"|join|/c/cpuset/k/id|inherit|/c/cpuset/k/id|cpuset.cpus|inherit|/c/cpuset/k/id|cpuset.mems|",
		"|write|/c/devices/k/id/devices.deny|a|write|/c/devices/k/id/devices.allow|c 1:* rw|",
		"|write|/c/memory/k/id/memory.limit_in_bytes|4096|write|/c/cpu/k/id/cpu.shares|3|write|/c/cpuset/k/id/"
		"cpuset.cpus|0-1|write|/c/pids/k/id/pids.max|7|",
		"|namespaces|1610743808|loopback|lo|tree|/s|all|pivot|/r|mount|proc|/"
		"proc|proc|14||",
		"|mount|cgroup|/sys/fs/cgroup/cpu,cpuacct|cgroup|15|cpu,cpuacct|link|cpu,cpuacct|/sys/fs/cgroup/cpu|",
		"|mount|cgroup|/sys/fs/cgroup/systemd|cgroup|15|name=systemd|remount|/sys/fs/cgroup|",
		"|place|/b|ro|device|/dev/null|1|3|",
		"|link|pts/ptmx|/dev/ptmx|sysctl|net/ipv4/x|1|mask|/proc/keys|readonly|/proc/"
		"sys|oom-score|5|hostname|h|directory|/w|remount|/"
		"|ro|env|A=b|arg|a|arg||",
		"|no-new-privileges||filter|AAAA|limit|7|10|20|group|2|group|3|user|1|2|capabilities|21|20|0|",
	};
	autoclear(Buffer) plan = {0};

	(void)state;
	assert_true(plan_of(&plan, ordinary));
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		if (!strstr(buffer_text(&plan), expected[i]))
			fail_msg("no \"%s\" in \"%s\"", expected[i], buffer_text(&plan));
}

/* ---- a member that is not known, in each object of the configuration ---- */

static void check_unknown_at(const char *brace)
{
	autoclear(Buffer) text = {0}, plan = {0};

	buffer_add(&text, ordinary, (size_t)(brace + 1 - ordinary));
	buffer_add_text(&text, "\"unknown\":\"x\",");
	buffer_add_text(&text, brace + 1);
	if (plan_of(&plan, buffer_text(&text)))
		fail_msg("ordinary with an unknown member in %.40s", brace);
}

static void test_unknown_members(void **state)
{
	const char *sysctls = strstr(ordinary, "{\"net.ipv4");
	size_t count = 0;

	(void)state;
	for (const char *at = ordinary; (at = strchr(at, '{')); at++, count++)
		if (at != sysctls)
			check_unknown_at(at);
	assert_in_range(count, 20, 30);
}

/* ---- values that are not known ---- */

static void test_unknown_values(void **state)
{
	static const struct {
		const char *from, *to;
	} changes[] = {
		{"{\"type\":\"pid\"},", ""},
		{"{\"type\":\"cgroup\"},", ""},
		{"{\"type\":\"network\"}", "{\"type\":\"user\"}"},
		{"{\"type\":\"network\"}", "{\"type\":\"network\",\"path\":\"/p\"}"},
		{"\"terminal\":false", "\"terminal\":true"},
		{"\"args\":[\"a\",\"\"]", "\"args\":[]"},
		{"\"cwd\":\"/w\"", "\"cwd\":3"},
		{"CAP_KILL", "CAP_NEVER"},
		{"RLIMIT_NOFILE", "RLIMIT_OTHER"},
		{"\"soft\":10", "\"soft\":18446744073709551615"},
		{"\"rprivate\"", "\"rslave\""},
		{"\"rprivate\"", "\"rro\""},
		{"\"rprivate\"", "\"noexec\""},
		{"\"nosuid\",\"noexec\",\"nodev\"]}", "\"nosuid\",\"tmpcopyup\",\"nodev\"]}"},
		{"\"type\":\"proc\"", "\"type\":\"ext4\""},
		{"\"devices\":[]", "\"devices\":[{\"path\":\"/dev/x\"}]"},
		{"\"destination\":\"/b\"", "\"destination\":\"b\""},
		{"\"/proc/keys\"", "4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		autoclear(Buffer) text = {0}, plan = {0};
		const char *at = strstr(ordinary, changes[i].from);
		assert_non_null(at);
		buffer_add(&text, ordinary, (size_t)(at - ordinary));
		buffer_add_text(&text, changes[i].to);
		buffer_add_text(&text, at + strlen(changes[i].from));
		if (plan_of(&plan, buffer_text(&text)))
			fail_msg("ordinary with %s", changes[i].to);
	}
}

static void test_many_binds(void **state)
{
	const char *bind = strstr(ordinary, "{\"destination\":\"/b\""), *end = strchr(bind, '}') + 1;

	(void)state;
	for (int count = 256; count <= 257; count++) {
		autoclear(Buffer) text = {0}, plan = {0};
		buffer_add(&text, ordinary, (size_t)(bind - ordinary));
		for (int i = 0; i < count; i++)
			buffer_printf(&text, "%s%.*s", i ? "," : "", (int)(end - bind), bind);
		buffer_add_text(&text, end);
		assert_int_equal(plan_of(&plan, buffer_text(&text)), count == 256);
	}
}

/* ---- a command in a container ---- */

static const char process[] = "{\"args\":[\"a\"],\"terminal\":false,\"user\":{\"uid\":1,\"gid\":2,\"additionalGids\":["
			      "2]},\"env\":[\"A=b\"],\"cwd\":\"/w\","
			      "\"noNewPrivileges\":false,\"oomScoreAdj\":5,\"capabilities\":{\"bounding\":[\"CAP_"
			      "KILL\"],\"effective\":[],\"permitted\":[]}}";

static bool exec_plan_of(Buffer *ret, const char *text)
{
	autoptr(CgroupLayout) layout = NULL;
	Buffer buffer = {.data = (char *)text, .length = strlen(text)};
	bool is_ordinary = true;

	check_ok(cgroup_layout_parse(&layout, mountinfo));
	const PlanExecInput input = {
		.id = "id", .pid = 77, .cgroup = "/k/id", .process = &buffer, .filter = "AAAA", .cgroups = layout};
	plan_exec_write(ret, &is_ordinary, &input);
	for (size_t i = 0; i < ret->length; i++)
		if (!ret->data[i])
			ret->data[i] = '|';
	return is_ordinary;
}

/* Nothing of the host is looked up by its path once the container was entered. */
static void test_steps_of_a_command(void **state)
{
	autoclear(Buffer) plan = {0};

	(void)state;
	assert_true(exec_plan_of(&plan, process));
	assert_string_equal(buffer_text(&plan),
		"group-name|/k/id|enter-group|/c/devices/k/id|enter-group|/c/memory/k/id|enter-group|/c/cpu/k/id|"
		"enter-group|/c/cpuset/k/id|enter-group|/c/pids/k/id|enter-group|/c/systemd/k/"
		"id|keyring|id|oom-score|5|"
		"enter|77|cwd|/w|env|A=b|arg|a|filter|AAAA|group|2|user|1|2|capabilities|20|0|0|");
}

static void test_commands_that_are_not_ordinary(void **state)
{
	static const char *const changes[][2] = {
		{"\"terminal\":false", "\"terminal\":true"},
		{"\"cwd\"", "\"apparmorProfile\":\"x\",\"cwd\""},
		{"[\"a\"]", "[]"},
		{"CAP_KILL", "CAP_NEW"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		const char *at = strstr(process, changes[i][0]);
		autoclear(Buffer) text = {0}, plan = {0};
		buffer_add(&text, process, (size_t)(at - process));
		buffer_add_text(&text, changes[i][1]);
		buffer_add_text(&text, at + strlen(changes[i][0]));
		if (exec_plan_of(&plan, buffer_text(&text)))
			fail_msg("ordinary with %s", changes[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_unknown_members),
		cmocka_unit_test(test_unknown_values),
		cmocka_unit_test(test_many_binds),
		cmocka_unit_test(test_steps_of_a_command),
		cmocka_unit_test(test_commands_that_are_not_ordinary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
