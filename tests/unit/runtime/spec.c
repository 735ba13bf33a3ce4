// SPDX-License-Identifier: Apache-2.0
#include "runtime/spec.h"

#include "check.h"

/* Reads a stored spec; every field that is not in the text has its default. */
static void read_spec(ContainerSpec *ret, const char *text)
{
	container_spec_init(ret);
	check_ok(fields_read_text(container_spec_fields, ret, "spec", text, strlen(text), FIELDS_STRICT));
}

static char *write_spec(const ContainerSpec *spec)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	fields_write(container_spec_fields, spec, &writer, NULL);
	return buffer_steal(&out);
}

/* One of everything, as it is stored: the words must stay, or records of an older kedge could not be read. */
static const char stored[] =
	"{\"image\":\"busybox\",\"entrypoint\":[\"/e\"],\"command\":[\"c\"],\"entrypointReset\":true,\"env\":[\"A=b\"],"
	"\"workdir\":\"/w\",\"user\":\"u:g\",\"groups\":[\"audio\"],\"hostname\":\"h\",\"domainname\":\"d\","
	"\"labels\":{\"k\":\"v\"},\"exposedPorts\":[\"80/tcp\"],\"tty\":true,\"openStdin\":true,\"stdinOnce\":true,"
	"\"attachStdin\":true,\"attachStdout\":true,\"attachStderr\":true,"
	"\"mounts\":[{\"kind\":\"bind\",\"source\":\"/s\",\"target\":\"/t\",\"readOnly\":true,\"makeSource\":true,"
	"\"propagation\":\"rslave\"},{\"kind\":\"tmpfs\",\"target\":\"/tmp\",\"options\":\"size=1m\"}],"
	"\"binds\":[\"/s:/t:ro\"],\"volumes\":[\"/data\"],\"readOnlyRoot\":true,\"shmSize\":1048576,"
	"\"networkMode\":\"none\",\"pidMode\":\"host\",\"ipcMode\":\"none\",\"utsMode\":\"host\","
	"\"cgroupnsMode\":\"host\",\"privileged\":true,\"capAdd\":[\"ALL\"],\"capDrop\":[\"KILL\"],"
	"\"securityOptions\":[\"no-new-privileges\"],\"devices\":[{\"hostPath\":\"/dev/null\","
	"\"containerPath\":\"/dev/n\",\"permissions\":\"r\"}],\"sysctls\":{\"net.core.somaxconn\":\"9\"},"
	"\"ulimits\":[{\"name\":\"nofile\",\"soft\":1,\"hard\":2}],\"extraHosts\":[\"a:1.2.3.4\"],\"dns\":[\"1.1.1.1\"]"
	","
	"\"dnsSearch\":[\"x\"],\"dnsOptions\":[\"ndots:1\"],\"init\":true,\"memory\":1,\"memoryReservation\":2,"
	"\"memorySwap\":3,\"nanoCpus\":4,\"cpuShares\":5,\"cpuPeriod\":6,\"cpuQuota\":7,\"cpusetCpus\":\"0\","
	"\"cpusetMems\":\"1\",\"pidsLimit\":8,\"blkioWeight\":9,\"deviceWeights\":[{\"path\":\"/dev/a\",\"rate\":1}],"
	"\"deviceReadBps\":[{\"path\":\"/dev/a\",\"rate\":2}],\"deviceWriteBps\":[{\"path\":\"/dev/a\",\"rate\":3}],"
	"\"deviceReadIops\":[{\"path\":\"/dev/a\",\"rate\":4}],\"deviceWriteIops\":[{\"path\":\"/dev/a\",\"rate\":5}],"
	"\"memorySwappiness\":0,\"oomScoreAdj\":10,\"oomKillDisable\":true,"
	"\"restartPolicy\":\"on-failure\",\"restartMax\":11,\"autoRemove\":true,\"stopSignal\":\"INT\","
	"\"stopTimeout\":12,\"health\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":1000000000,\"Timeout\":2000000000,"
	"\"StartPeriod\":3000000000,\"Retries\":4},\"healthOnFailure\":\"kill\",\"runtime\":\"runc\","
	"\"logDriver\":\"none\",\"logOptions\":{\"max-file\":\"2\"}}";

static void test_stored_form(void **state)
{
	autoclear(ContainerSpec) spec, copy = {0};
	autoptr(Value) expected = NULL;
	autoptr(Value) actual = NULL;

	(void)state;
	read_spec(&spec, stored);
	autofree char *text = write_spec(&spec);
	check_ok(value_parse(&expected, stored, strlen(stored)));
	check_ok(value_parse(&actual, text, strlen(text)));
	if (!value_equal(expected, actual))
		assert_string_equal(text, stored); /* shows both */
	fields_copy(container_spec_fields, &copy, &spec);
	assert_true(fields_equal(container_spec_fields, &copy, &spec));
}

static void test_defaults(void **state)
{
	autoclear(ContainerSpec) spec;

	(void)state;
	read_spec(&spec, "{}");
	assert_int_equal(spec.stop_timeout_s, -1);
	assert_int_equal(spec.restart_policy, RESTART_NO);
	autofree char *text = write_spec(&spec);
	assert_int_equal(spec.memory_swappiness, -1);
	assert_null(strstr(text, "\"memory\""));
}

/* ---- merging the image ---- */

static const char image_text[] =
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"config\":{"
	"\"Entrypoint\":[\"/entry\"],\"Cmd\":[\"word\"],\"Env\":[\"PATH=/img\",\"LANG=C\",\"A=image\"],"
	"\"WorkingDir\":\"/img\",\"User\":\"web\",\"StopSignal\":\"QUIT\",\"Labels\":{\"a\":\"image\",\"b\":\"image\"},"
	"\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":{\"/data\":{}},"
	"\"Healthcheck\":{\"Test\":[\"CMD\",\"probe\"],\"Interval\":5000000000,\"Retries\":7}}}";

/* text is the caller's spec; what is checked is the member of the merged one. */
static char *merged(const char *text, const char *member)
{
	autoclear(ContainerSpec) spec;
	autoclear(ImageConfig) image = {0};
	autoptr(Value) value = NULL;
	autoclear(Buffer) out = {0};

	read_spec(&spec, text);
	check_ok(image_config_parse(&image, image_text, strlen(image_text)));
	container_spec_merge_image(&spec, &image);
	autofree char *written = write_spec(&spec);
	check_ok(value_parse(&value, written, strlen(written)));
	if (value_get(value, member))
		value_write(value_get(value, member), &out);
	return buffer_steal(&out);
}

static void test_merging_commands(void **state)
{
	static const struct {
		const char *spec, *entrypoint, *command;
	} cases[] = {
		{"{}", "[\"/entry\"]", "[\"word\"]"},
		{"{\"command\":[\"mine\"]}", "[\"/entry\"]", "[\"mine\"]"},
		{"{\"entrypoint\":[\"/mine\"]}", "[\"/mine\"]", ""},
		{"{\"entrypoint\":[\"/mine\"],\"command\":[\"too\"]}", "[\"/mine\"]", "[\"too\"]"},
		{"{\"entrypointReset\":true}", "", ""},
		{"{\"entrypointReset\":true,\"command\":[\"mine\"]}", "", "[\"mine\"]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_text(merged(cases[i].spec, "entrypoint"), cases[i].entrypoint);
		check_text(merged(cases[i].spec, "command"), cases[i].command);
	}
}

static void test_merging_the_rest(void **state)
{
	static const struct {
		const char *spec, *member, *result;
	} cases[] = {
		{"{}", "env", "[\"PATH=/img\",\"LANG=C\",\"A=image\"]"},
		{"{\"env\":[\"A=mine\",\"B=2\"]}", "env", "[\"A=mine\",\"B=2\",\"PATH=/img\",\"LANG=C\"]"},
		{"{\"env\":[\"LANG\",\"AA=1\"]}", "env", "[\"LANG\",\"AA=1\",\"PATH=/img\",\"A=image\"]"},
		{"{\"env\":[\"A=\"]}", "env", "[\"A=\",\"PATH=/img\",\"LANG=C\"]"},
		{"{}", "workdir", "\"/img\""},
		{"{\"workdir\":\"/mine\"}", "workdir", "\"/mine\""},
		{"{\"workdir\":\"\"}", "workdir", "\"/img\""},
		{"{}", "user", "\"web\""},
		{"{\"user\":\"0\"}", "user", "\"0\""},
		{"{}", "stopSignal", "\"QUIT\""},
		{"{\"stopSignal\":\"INT\"}", "stopSignal", "\"INT\""},
		{"{\"labels\":{\"b\":\"mine\",\"c\":\"mine\"}}", "labels",
			"{\"b\":\"mine\",\"c\":\"mine\",\"a\":\"image\"}"},
		{"{\"exposedPorts\":[\"53/udp\"]}", "exposedPorts", "[\"53/udp\",\"80/tcp\"]"},
		{"{\"exposedPorts\":[\"80/tcp\"]}", "exposedPorts", "[\"80/tcp\"]"},
		{"{}", "volumes", "[\"/data\"]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_text(merged(cases[i].spec, cases[i].member), cases[i].result);
}

static void test_merging_health(void **state)
{
	autoclear(ContainerSpec) spec;
	autoclear(ImageConfig) image = {0};

	(void)state;
	read_spec(&spec, "{\"health\":{\"Interval\":1000000000}}");
	check_ok(image_config_parse(&image, image_text, strlen(image_text)));
	container_spec_merge_image(&spec, &image);
	assert_string_equal(spec.health.test.items[1], "probe");
	assert_int_equal(spec.health.interval_ns, 1000000000);
	assert_int_equal(spec.health.retries, 7);
	container_spec_clear(&spec);
	read_spec(&spec, "{\"health\":{\"Test\":[\"NONE\"]}}");
	container_spec_merge_image(&spec, &image);
	assert_int_equal(spec.health.test.count, 1);
}

/* ---- binds ---- */

static char *parsed(const char *bind)
{
	autoclear(ContainerSpec) spec;
	autoclear(Buffer) out = {0};

	container_spec_init(&spec);
	strings_add(&spec.binds, bind);
	check_ok(container_spec_parse_binds(&spec));
	assert_int_equal(spec.mounts.count, 1);
	const MountSpec *mount = spec.mounts.items;
	buffer_printf(&out, "%s %s %s", mount_kind_names[mount->kind], mount->source, mount->target);
	if (mount->read_only)
		buffer_add_text(&out, " ro");
	if (mount->make_source)
		buffer_add_text(&out, " make");
	if (mount->propagation)
		buffer_printf(&out, " %s", mount->propagation);
	return buffer_steal(&out);
}

static void test_binds(void **state)
{
	(void)state;
	check_text(parsed("/a:/b"), "bind /a /b make");
	check_text(parsed("/a:/b:ro"), "bind /a /b ro make");
	check_text(parsed("/a:/b:rw"), "bind /a /b make");
	check_text(parsed("/a:/b:z"), "bind /a /b make");
	check_text(parsed("/a:/b:ro,Z,rslave"), "bind /a /b ro make rslave");
	check_text(parsed("/a:/b:shared"), "bind /a /b make shared");
	check_text(parsed("/a/:/b//c/../d/"), "bind /a /b/d make");
	check_text(parsed("/a/../../b:/x"), "bind /b /x make");
	check_text(parsed("/:/host:ro"), "bind / /host ro make");
	check_text(parsed("data:/b"), "volume data /b");
	check_text(parsed("data:/b:nocopy"), "volume data /b");
	check_text(parsed("/a:relative"), "bind /a relative make"); /* the check refuses it */
}

static void test_bad_binds(void **state)
{
	static const struct {
		const char *bind, *message;
	} cases[] = {
		{"/a", "bind \"/a\" has no target"},
		{"", "bind \"\" has no target"},
		{"/a:", "bind \"/a:\" has an empty part"},
		{":/b", "bind \":/b\" has an empty part"},
		{"/a:/b:ro:rw", "bind \"/a:/b:ro:rw\" has more than three parts"},
		{"/a:/b:ro,rw", "bind \"/a:/b:ro,rw\" says more than once whether it is read-only"},
		{"/a:/b:rro", "bind \"/a:/b:rro\": option \"rro\" is unknown"},
		{"/a:/b:ro,", "bind \"/a:/b:ro,\": option \"\" is unknown"},
		{"/a:/b:shared,private", "bind \"/a:/b:shared,private\" has more than one propagation"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoclear(ContainerSpec) spec;
		container_spec_init(&spec);
		strings_add(&spec.binds, cases[i].bind);
		check_invalid(container_spec_parse_binds(&spec), cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_form),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_merging_commands),
		cmocka_unit_test(test_merging_the_rest),
		cmocka_unit_test(test_merging_health),
		cmocka_unit_test(test_binds),
		cmocka_unit_test(test_bad_binds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
