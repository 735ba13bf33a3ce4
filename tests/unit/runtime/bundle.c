// SPDX-License-Identifier: Apache-2.0
/* Runtime configurations for stored specs: single members are compared as JSON, by their path. */
#include "runtime/bundle.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include "check.h"
#include "runtime/capability.h"

static const char legacy[] = "35 31 0:32 / %1$s/memory rw - cgroup cgroup rw,memory\n";
static const char unified[] = "41 31 0:38 / %1$s/v2 rw - cgroup2 cgroup2 rw\n";

typedef struct Options {
	bool v2, ready_made;
	bool with_files, given_network;
	uid_t uid;
} Options;

/* Layouts are of directories of the test's own; the legacy one can limit swap. */
static CgroupLayout *make_layout(const char *top, bool v2)
{
	autofree char *text = string_printf(v2 ? unified : legacy, top), *memory = string_printf("%s/memory", top);
	autofree char *two = string_printf("%s/v2", top);
	CgroupLayout *layout = NULL;

	check_ok(dir_make_all(-1, memory, 0755));
	check_ok(dir_make_all(-1, two, 0755));
	autofree char *swap = path_join(memory, "memory.memsw.limit_in_bytes");
	autofree char *controllers = path_join(two, "cgroup.controllers");
	check_ok(file_replace(-1, swap, "0", 1, 0644));
	check_ok(file_replace(-1, controllers, "cpu memory pids", 15, 0644));
	check_ok(cgroup_layout_parse(&layout, text));
	return layout;
}

static Error *write_bundle(Buffer *out, const char *top, const char *members, const Options *options)
{
	autofree char *text =
		string_printf("{\"image\":\"x\",\"command\":[\"c\",\"d\"]%s%s}", *members ? "," : "", members);
	autoptr(CgroupLayout) layout = make_layout(top, options->v2);
	autoptr(SeccompCache) cache = NULL;
	autoclear(ContainerSpec) spec;
	UserIds user = {
		.uid = options->uid, .gid = options->uid, .groups = {29, 44}, .group_count = 2, .home = "/home/u"};

	container_spec_init(&spec);
	check_ok(fields_read_text(container_spec_fields, &spec, "spec", text, strlen(text), FIELDS_STRICT));
	check_ok(container_spec_parse_binds(&spec));
	check_ok(container_spec_check(&spec));
	check_ok(seccomp_cache_open(&cache, top));
	BundleInput input = {
		.id = "id",
		.spec = &spec,
		.rootfs = "/root/fs",
		.user = &user,
		.hostname = "host",
		.cgroup = "/kedge/id",
		.cgroups = layout,
		.sources_directory = "/r/sources",
		.volumes_directory = "/r/volumes",
		.given_network = options->given_network,
		.seccomp = cache,
		.seccomp_ready_made = options->ready_made,
	};
	if (options->with_files)
		input.hosts_path = "/r/hosts", input.hostname_path = "/r/hostname", input.resolv_path = "/r/resolv";
	return bundle_write(out, &input);
}

static Value *bundle_of(const char *top, const char *members, const Options *options)
{
	static const Options none = {0};
	autoclear(Buffer) out = {0};
	Value *value = NULL;

	check_ok(write_bundle(&out, top, members, options ? options : &none));
	check_ok(value_parse(&value, buffer_text(&out), out.length));
	return value;
}

/* "" when it is absent */
static char *member(const Value *bundle, const char *path)
{
	autoclear(Buffer) out = {0};
	const Value *value = value_path(bundle, path);

	if (value)
		value_write(value, &out);
	return buffer_steal(&out);
}

typedef struct Case {
	const char *members, *path, *expected;
} Case;

static void run_cases(const char *top, const Case *cases, size_t count, const Options *options)
{
	for (size_t i = 0; i < count; i++) {
		autoptr(Value) bundle = bundle_of(top, cases[i].members, options);
		check_text(member(bundle, cases[i].path), cases[i].expected);
	}
}

#define RUN(cases, options) run_cases(*state, cases, sizeof(cases) / sizeof((cases)[0]), options)

static void test_process(void **state)
{
	static const Case cases[] = {
		{"", "ociVersion", "\"1.0.2\""},
		{"", "process.terminal", "false"},
		{"", "process.args", "[\"c\",\"d\"]"},
		{"\"entrypoint\":[\"e\",\"f\"]", "process.args", "[\"e\",\"f\",\"c\",\"d\"]"},
		{"\"init\":true", "process.args", "[\"/sbin/docker-init\",\"--\",\"c\",\"d\"]"},
		{"\"init\":true,\"pidMode\":\"host\"", "process.args", "[\"c\",\"d\"]"},
		{"", "process.cwd", "\"/\""},
		{"\"workdir\":\"/w\"", "process.cwd", "\"/w\""},
		{"", "process.env",
			"[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/"
			"bin\",\"HOSTNAME=host\",\"HOME=/home/u\"]"},
		{"\"env\":[\"PATH=/bin\",\"HOME=/x\",\"A=b\",\"BARE\"]", "process.env",
			"[\"PATH=/bin\",\"HOSTNAME=host\",\"HOME=/x\",\"A=b\"]"},
		{"", "process.user", "{\"uid\":0,\"gid\":0,\"additionalGids\":[0,29,44]}"},
		{"", "process.noNewPrivileges", "false"},
		{"\"securityOptions\":[\"no-new-privileges\"]", "process.noNewPrivileges", "true"},
		{"\"oomScoreAdj\":500", "process.oomScoreAdj", "500"},
		{"", "process.rlimits", "[]"},
		{"\"ulimits\":[{\"name\":\"nofile\",\"soft\":100,\"hard\":200}]", "process.rlimits",
			"[{\"type\":\"RLIMIT_NOFILE\",\"hard\":200,\"soft\":100}]"},
		{"", "root", "{\"path\":\"/root/fs\",\"readonly\":false}"},
		{"\"readOnlyRoot\":true", "root.readonly", "true"},
		{"", "hostname", "\"host\""},
		{"\"utsMode\":\"host\"", "hostname", ""},
	};

	RUN(cases, NULL);
}

/* As Docker's: a user other than root gets the same sets, and loses all but the bounding one at execve(2). */
static void test_capabilities(void **state)
{
	static const Case cases[] = {
		{"\"capDrop\":[\"ALL\"]", "process.capabilities",
			"{\"bounding\":[],\"effective\":[],\"permitted\":[]}"},
		{"\"capDrop\":[\"ALL\"],\"capAdd\":[\"KILL\"]", "process.capabilities",
			"{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]}"},
		{"", "process.capabilities.ambient", ""},
		{"", "process.capabilities.inheritable", ""},
	};
	const Options user = {.uid = 1000};

	RUN(cases, NULL);
	RUN(cases, &user);
	autoptr(Value) bundle = bundle_of(*state, "", &user);
	assert_int_equal(value_count(value_path(bundle, "process.capabilities.effective")), 14);
	check_text(member(bundle, "process.user.uid"), "1000");
}

/* Neither do the runtime's words say why, nor would a lower limit be what was asked for. */
static void test_what_cannot_be_raised_is_said(void **state)
{
	static const Options none = {0};
	const bool may_raise = capability_all() & CAPABILITY_BIT(CAP_SYS_RESOURCE);
	autoclear(Buffer) text = {0};
	struct rlimit own;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &own), 0);
	Error *error = write_bundle(
		&text, *state, "\"ulimits\":[{\"name\":\"nofile\",\"soft\":5,\"hard\":900000000000}]", &none);
	assert_non_null(error);
	assert_non_null(strstr(error_message(error), "field \"ulimits\": nofile cannot be raised above "));
	assert_non_null(strstr(error_message(error), may_raise ? "fs.nr_open" : "without CAP_SYS_RESOURCE"));
	error_free(error);
	if (may_raise)
		return;
	check_error(write_bundle(&text, *state, "\"oomScoreAdj\":-900", &none), ERROR_INVALID,
		"field \"oomScoreAdj\": -900 cannot be set without CAP_SYS_RESOURCE");
}

/* "target type source options" of the mount; "" when there is none */
static char *mount_of(const Value *bundle, const char *target)
{
	const Value *mounts = value_get(bundle, "mounts");
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < value_count(mounts); i++) {
		const Value *mount = value_at(mounts, i), *options = value_get(mount, "options");
		if (!string_equal(value_string(value_get(mount, "destination")), target))
			continue;
		assert_int_equal(out.length, 0);
		buffer_printf(&out, "%s %s", value_string(value_get(mount, "type")),
			value_string(value_get(mount, "source")));
		for (size_t j = 0; j < value_count(options); j++)
			buffer_printf(&out, "%s%s", j ? "," : " ", value_string(value_at(options, j)));
	}
	return buffer_steal(&out);
}

static void test_mounts(void **state)
{
	static const Case cases[] = {
		{"", "/proc", "proc proc nosuid,noexec,nodev"},
		{"", "/dev", "tmpfs tmpfs nosuid,strictatime,mode=755,size=65536k"},
		{"", "/dev/pts", "devpts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"", "/sys", "sysfs sysfs nosuid,noexec,nodev,ro"},
		{"\"privileged\":true", "/sys", "sysfs sysfs nosuid,noexec,nodev"},
		{"", "/sys/fs/cgroup", "cgroup cgroup nosuid,noexec,nodev,ro"},
		{"\"privileged\":true", "/sys/fs/cgroup", "cgroup cgroup nosuid,noexec,nodev"},
		{"", "/dev/mqueue", "mqueue mqueue nosuid,noexec,nodev"},
		{"", "/dev/shm", "tmpfs shm nosuid,noexec,nodev,mode=1777,size=67108864"},
		{"\"shmSize\":4096", "/dev/shm", "tmpfs shm nosuid,noexec,nodev,mode=1777,size=4096"},
		{"\"ipcMode\":\"none\"", "/dev/shm", ""},
		{"\"ipcMode\":\"host\"", "/dev/shm", "bind /dev/shm rbind,rprivate"},
		{"\"binds\":[\"/a:/dev\"]", "/dev", "bind /a rbind,rw,rprivate"},
		{"\"binds\":[\"/a:/dev\"]", "/dev/pts", ""},
		{"\"binds\":[\"/a:/dev\"]", "/dev/shm", ""},
		{"\"binds\":[\"/a:/dev/shm:ro\"]", "/dev/shm", "bind /a rbind,ro,rprivate"},
		{"\"binds\":[\"/a:/b:ro,rslave\"]", "/b", "bind /a rbind,ro,rslave"},
		{"\"binds\":[\"/x:/y\",\"/a:/b:rshared\"]", "/b", "bind /r/sources/1 rbind,rw,rshared"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/b\",\"flat\":true}]", "/b",
			"bind /r/sources/0 rbind,rw,rprivate"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/b\",\"readOnly\":true,\"readOnlyBelow\":true}]", "/b",
			"bind /a rbind,rro,rprivate"},
		{"\"mounts\":[{\"kind\":\"volume\",\"source\":\"v\",\"target\":\"/v\"}]", "/v",
			"bind /r/volumes/v/_data rbind,rw,rprivate"},
		{"\"mounts\":[{\"kind\":\"volume\",\"source\":\"v\",\"target\":\"/v\",\"subpath\":\"a\"}]", "/v",
			"bind /r/sources/0 rbind,rw,rprivate"},
		{"\"mounts\":[{\"kind\":\"tmpfs\",\"target\":\"/t\"}]", "/t", "tmpfs tmpfs noexec,nosuid,nodev"},
		{"\"mounts\":[{\"kind\":\"tmpfs\",\"target\":\"/t\",\"options\":\"size=1m,exec\"}]", "/t",
			"tmpfs tmpfs nosuid,nodev,size=1m,exec"},
		{"\"init\":true", "/sbin/docker-init", "bind /usr/bin/tini-static bind,ro"},
		{"", "/sbin/docker-init", ""},
		{"", "/etc/hosts", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoptr(Value) bundle = bundle_of(*state, cases[i].members, NULL);
		check_text(mount_of(bundle, cases[i].path), cases[i].expected);
	}
}

static void test_managed_files(void **state)
{
	const Options options = {.with_files = true};
	autoptr(Value) plain = bundle_of(*state, "", &options);
	autoptr(Value) read_only = bundle_of(*state, "\"readOnlyRoot\":true", &options);
	autoptr(Value) own = bundle_of(*state, "\"binds\":[\"/mine:/etc/hosts\"]", &options);

	check_text(mount_of(plain, "/etc/hosts"), "bind /r/hosts rbind,rprivate");
	check_text(mount_of(plain, "/etc/hostname"), "bind /r/hostname rbind,rprivate");
	check_text(mount_of(plain, "/etc/resolv.conf"), "bind /r/resolv rbind,rprivate");
	check_text(mount_of(read_only, "/etc/hosts"), "bind /r/hosts rbind,rprivate,ro");
	check_text(mount_of(own, "/etc/hosts"), "bind /mine rbind,rw,rprivate");
}

/* Shallow mounts come first, else they would cover the deep ones. */
static void test_order_of_mounts(void **state)
{
	autoptr(Value) bundle = bundle_of(*state, "\"binds\":[\"/1:/a/b/c\",\"/2:/a\",\"/3:/z\",\"/4:/a/b\"]", NULL);
	const Value *mounts = value_get(bundle, "mounts");
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < value_count(mounts); i++)
		if (string_equal(value_string(value_get(value_at(mounts, i), "type")), "bind"))
			buffer_printf(&out, "%s ", value_string(value_get(value_at(mounts, i), "destination")));
	assert_string_equal(buffer_text(&out), "/a /z /a/b /a/b/c ");
}

static void test_namespaces(void **state)
{
	static const Case cases[] = {
		{"", "linux.namespaces",
			"[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":"
			"\"network\"},"
			"{\"type\":\"cgroup\"}]"},
		{"\"networkMode\":\"host\",\"pidMode\":\"host\",\"ipcMode\":\"host\",\"utsMode\":\"host\","
		 "\"cgroupnsMode\":\"host\"",
			"linux.namespaces", "[{\"type\":\"mount\"}]"},
		{"", "linux.sysctl",
			"{\"net.ipv4.ping_group_range\":\"0 "
			"2147483647\",\"net.ipv4.ip_unprivileged_port_start\":\"0\"}"},
		{"\"networkMode\":\"host\"", "linux.sysctl", "{}"},
		{"\"networkMode\":\"host\",\"domainname\":\"d\",\"sysctls\":{\"kernel.sem\":\"1 2 3 4\"}",
			"linux.sysctl", "{\"kernel.domainname\":\"d\",\"kernel.sem\":\"1 2 3 4\"}"},
		{"\"sysctls\":{\"net.ipv4.ip_unprivileged_port_start\":\"1024\"}", "linux.sysctl",
			"{\"net.ipv4.ping_group_range\":\"0 "
			"2147483647\",\"net.ipv4.ip_unprivileged_port_start\":\"1024\"}"},
		{"", "linux.cgroupsPath", "\"/kedge/id\""},
		{"", "linux.rootfsPropagation", ""},
		{"\"binds\":[\"/a:/b:rslave\"]", "linux.rootfsPropagation", "\"rslave\""},
		{"\"binds\":[\"/a:/b:rslave\",\"/c:/d:shared\"]", "linux.rootfsPropagation", "\"shared\""},
		{"", "linux.readonlyPaths",
			"[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]"},
		{"\"privileged\":true", "linux.maskedPaths", ""},
		{"\"privileged\":true", "linux.readonlyPaths", ""},
		{"\"securityOptions\":[\"systempaths=unconfined\"]", "linux.maskedPaths", ""},
	};

	RUN(cases, NULL);
	autoptr(Value) bundle = bundle_of(*state, "", NULL);
	autofree char *masked = member(bundle, "linux.maskedPaths");
	assert_non_null(strstr(masked, "\"/proc/kcore\""));
	assert_non_null(strstr(masked, "\"/sys/firmware\""));
}

/* runc refuses settings of a network that it does not make. */
static void test_given_network(void **state)
{
	static const Case cases[] = {
		{"", "linux.namespaces",
			"[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
			"{\"type\":\"cgroup\"}]"},
		{"\"sysctls\":{\"net.core.somaxconn\":\"1\",\"kernel.sem\":\"1 2 3 4\"},\"domainname\":\"d\"",
			"linux.sysctl", "{\"kernel.domainname\":\"d\",\"kernel.sem\":\"1 2 3 4\"}"},
	};
	const Options given = {.given_network = true};

	RUN(cases, &given);
}

static void check_settings(const char *member, const char *expected)
{
	autofree char *text = string_printf("{\"image\":\"x\",%s}", member);
	autoclear(ContainerSpec) spec;
	autoclear(StringMap) settings = {0};
	autoclear(Buffer) out = {0};

	container_spec_init(&spec);
	check_ok(fields_read_text(container_spec_fields, &spec, "spec", text, strlen(text), FIELDS_STRICT));
	bundle_network_settings(&settings, &spec);
	for (size_t i = 0; i < settings.count; i++)
		buffer_printf(&out, "%s=%s ", settings.items[i].key, settings.items[i].value);
	assert_string_equal(buffer_text(&out), expected);
}

static void test_network_settings(void **state)
{
	(void)state;
	check_settings("\"sysctls\":{\"net.core.somaxconn\":\"1\",\"kernel.sem\":\"1 2 3 4\"}",
		"net.ipv4.ping_group_range=0 2147483647 net.ipv4.ip_unprivileged_port_start=0 net.core.somaxconn=1 ");
	check_settings("\"sysctls\":{\"net.ipv4.ip_unprivileged_port_start\":\"80\"}",
		"net.ipv4.ping_group_range=0 2147483647 net.ipv4.ip_unprivileged_port_start=80 ");
	check_settings("\"networkMode\":\"container:a\"", "");
	check_settings(
		"\"networkMode\":\"container:a\",\"sysctls\":{\"net.core.somaxconn\":\"1\"}", "net.core.somaxconn=1 ");
}

static void test_resources(void **state)
{
	static const Case cases[] = {
		{"", "linux.resources.memory", "{}"},
		{"", "linux.resources.cpu", "{}"},
		{"", "linux.resources.pids", ""},
		{"", "linux.resources.blockIO", ""},
		{"\"memory\":8388608", "linux.resources.memory", "{\"limit\":8388608,\"swap\":16777216}"},
		{"\"memory\":8388608,\"memorySwap\":-1", "linux.resources.memory", "{\"limit\":8388608,\"swap\":-1}"},
		{"\"memory\":8388608,\"memorySwap\":8388608,\"memoryReservation\":7000000", "linux.resources.memory",
			"{\"limit\":8388608,\"reservation\":7000000,\"swap\":8388608}"},
		{"\"nanoCpus\":500000000", "linux.resources.cpu", "{\"quota\":50000,\"period\":100000}"},
		{"\"nanoCpus\":10000000", "linux.resources.cpu", "{\"quota\":1000,\"period\":100000}"},
		{"\"cpuShares\":512,\"cpuQuota\":2000,\"cpuPeriod\":4000,\"cpusetCpus\":\"0\",\"cpusetMems\":\"0\"",
			"linux.resources.cpu",
			"{\"shares\":512,\"quota\":2000,\"period\":4000,\"cpus\":\"0\",\"mems\":\"0\"}"},
		{"\"pidsLimit\":50", "linux.resources.pids", "{\"limit\":50}"},
		{"\"pidsLimit\":-1", "linux.resources.pids", ""},
		{"\"blkioWeight\":300", "linux.resources.blockIO", "{\"weight\":300}"},
	};
	static const Case killer[] = {
		{"\"oomKillDisable\":true", "linux.resources.memory", "{\"disableOOMKiller\":true}"},
	};
	static const Case without_swap[] = {
		{"\"memory\":8388608", "linux.resources.memory", "{\"limit\":8388608}"},
		{"\"oomKillDisable\":true", "linux.resources.memory", "{}"},
	};
	const Options v2 = {.v2 = true};

	RUN(cases, NULL);
	RUN(killer, NULL);
	RUN(without_swap, &v2);
}

static void test_devices(void **state)
{
	autoptr(Value) plain = bundle_of(*state, "", NULL);
	autoptr(Value) one = bundle_of(*state,
		"\"devices\":[{\"hostPath\":\"/dev/full\",\"containerPath\":\"/dev/mine\",\"permissions\":\"r\"}]",
		NULL);
	autoptr(Value) all = bundle_of(*state, "\"privileged\":true", NULL);
	const Value *rules = value_path(one, "linux.resources.devices");
	autoclear(Buffer) out = {0};
	autoclear(Buffer) rule = {0};

	check_text(member(plain, "linux.devices"), "[]");
	assert_int_equal(value_count(value_path(plain, "linux.resources.devices")), 8);
	value_write(value_at(value_path(plain, "linux.resources.devices"), 0), &out);
	assert_string_equal(buffer_text(&out), "{\"allow\":false,\"access\":\"rwm\"}");
	value_write(value_at(rules, value_count(rules) - 1), &rule);
	assert_string_equal(
		buffer_text(&rule), "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":7,\"access\":\"r\"}");
	autofree char *node = member(one, "linux.devices");
	assert_non_null(strstr(node, "{\"path\":\"/dev/mine\",\"type\":\"c\",\"major\":1,\"minor\":7,"));
	check_text(member(all, "linux.resources.devices"), "[{\"allow\":true,\"access\":\"rwm\"}]");
}

static void test_bad_devices(void **state)
{
	static const Options none = {0};
	autoclear(Buffer) out = {0};

	check_invalid(write_bundle(&out, *state,
			      "\"devices\":[{\"hostPath\":\"/dev/nope\",\"containerPath\":\"/dev/x\"}]", &none),
		"device \"/dev/nope\" is not there");
	check_invalid(write_bundle(&out, *state,
			      "\"devices\":[{\"hostPath\":\"/etc/passwd\",\"containerPath\":\"/dev/x\"}]", &none),
		"\"/etc/passwd\" is not a device");
}

static void test_seccomp(void **state)
{
	const Options ready = {.ready_made = true};
	autoptr(Value) json = bundle_of(*state, "", NULL);
	autoptr(Value) program = bundle_of(*state, "", &ready);
	const char *annotation = "run.oci.seccomp_bpf_data";
	static const char *const off[] = {"\"securityOptions\":[\"seccomp=unconfined\"]", "\"privileged\":true"};

	assert_true(value_is_object(value_path(json, "linux.seccomp")));
	assert_null(value_get(json, "annotations"));
	assert_null(value_path(program, "linux.seccomp"));
	assert_true(strlen(value_string(value_get(value_get(program, "annotations"), annotation))) > 1000);
	for (size_t i = 0; i < 2; i++) {
		autoptr(Value) open_json = bundle_of(*state, off[i], NULL);
		autoptr(Value) open_program = bundle_of(*state, off[i], &ready);
		assert_null(value_path(open_json, "linux.seccomp"));
		assert_null(value_get(open_program, "annotations"));
	}
}

static void test_exec_process(void **state)
{
	autoptr(CgroupLayout) layout = make_layout(*state, false);
	autoclear(ContainerSpec) spec;
	autoclear(StringList) arguments = {0};
	autoclear(Buffer) out = {0};
	autoptr(Value) process = NULL;
	const UserIds user = {.uid = 7, .gid = 8, .home = "/h"};
	const BundleInput input = {.spec = &spec, .user = &user, .hostname = "host", .cgroups = layout};

	container_spec_init(&spec);
	strings_add(&spec.command, "main");
	strings_add(&spec.env, "A=b");
	spec.init = true;
	strings_split(&arguments, "probe -x", ' ');
	check_ok(bundle_write_process(&out, &input, &arguments, false));
	check_ok(value_parse(&process, buffer_text(&out), out.length));
	check_text(member(process, "args"), "[\"probe\",\"-x\"]");
	check_text(member(process, "user"), "{\"uid\":7,\"gid\":8,\"additionalGids\":[8]}");
	check_text(member(process, "cwd"), "\"/\"");
	autofree char *env = member(process, "env");
	assert_non_null(strstr(env, "\"HOSTNAME=host\",\"HOME=/h\",\"A=b\""));
	assert_int_equal(value_count(value_path(process, "capabilities.effective")), 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_process),
		directory_test(test_capabilities),
		directory_test(test_what_cannot_be_raised_is_said),
		directory_test(test_mounts),
		directory_test(test_managed_files),
		directory_test(test_order_of_mounts),
		directory_test(test_namespaces),
		directory_test(test_given_network),
		cmocka_unit_test(test_network_settings),
		directory_test(test_resources),
		directory_test(test_devices),
		directory_test(test_bad_devices),
		directory_test(test_seccomp),
		directory_test(test_exec_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
