// SPDX-License-Identifier: Apache-2.0
#include "device/declaration.h"
#include "runtime/device_requests.h"

#include "check.h"

/* ---- helpers ---- */

static fallible read_named(Declaration *ret, const char *yaml, const char *name)
{
	autoptr(Value) document = NULL;

	TRY(value_parse_yaml(&document, yaml, strlen(yaml)));
	return declaration_read(ret, document, name);
}

static void read_into(Declaration *ret, const char *yaml)
{
	declaration_init(ret);
	check_ok(read_named(ret, yaml, "web"));
}

static char *written(const Declaration *declaration)
{
	autoptr(Value) value = declaration_value(declaration);
	autoclear(Buffer) text = {0};

	value_write(value, &text);
	return buffer_steal(&text);
}

static void check_refused(const char *yaml, const char *message)
{
	autoclear(Declaration) declaration;

	declaration_init(&declaration);
	check_invalid(read_named(&declaration, yaml, "web"), message);
}

/* ---- forms ---- */

static void test_defaults(void **state)
{
	autoclear(Declaration) declaration;

	(void)state;
	read_into(&declaration, "image: busybox\n");
	assert_string_equal(declaration.name, "web");
	assert_true(declaration.enabled);
	assert_int_equal(declaration.pull, PULL_MISSING);
	assert_int_equal(declaration.pull_retries, 5);
	assert_int_equal(declaration.spec.restart_policy, RESTART_UNLESS_STOPPED);
	check_text(written(&declaration), "{\"name\":\"web\",\"image\":\"busybox\"}");
}

/* What is written shortly, and what it is in canonical form. */
static void test_short_forms(void **state)
{
	static const struct {
		const char *yaml, *canonical;
	} rows[] = {
		{"command: sh -c 'a b'", "\"command\":[\"sh\",\"-c\",\"a b\"]"},
		{"command: [a, 'b c']", "\"command\":[\"a\",\"b c\"]"},
		{"entrypoint: []", "\"entrypoint\":[]"},
		{"environment: {A: 1, B: true, C: '', D: ~}", "\"environment\":[\"A=1\",\"B=true\",\"C=\",\"D\"]"},
		{"environment: [A=1]", "\"environment\":[\"A=1\"]"},
		{"labels: [b=2, a=1]", "\"labels\":{\"a\":\"1\",\"b\":\"2\"}"},
		{"ports: [80, '8080:81/udp']", "\"ports\":[{\"container\":80,\"protocol\":\"tcp\"},"
					       "{\"container\":81,\"protocol\":\"udp\",\"host\":8080}]"},
		{"ports: ['127.0.0.1:90-91:80-81']",
			"\"ports\":[{\"container\":80,\"protocol\":\"tcp\",\"address\":\"127.0.0.1\",\"host\":90},"
			"{\"container\":81,\"protocol\":\"tcp\",\"address\":\"127.0.0.1\",\"host\":91}]"},
		{"ports: ['90-95:80']",
			"\"ports\":[{\"container\":80,\"protocol\":\"tcp\",\"host\":90,\"hostEnd\":95}]"},
		{"volumes: ['/a:/b:ro', 'data:/c', /d]",
			"\"volumes\":[{\"type\":\"bind\",\"source\":\"/a\",\"target\":\"/b\",\"readOnly\":true,"
			"\"createSource\":true},{\"type\":\"volume\",\"source\":\"data\",\"target\":\"/c\"},"
			"{\"type\":\"volume\",\"target\":\"/d\"}]"},
		{"devices: [/dev/null, '/dev/zero:/dev/z:r', vendor.com/class=x, {path: /dev/a, permissions: rwm, "
		 "optional: true}]",
			"\"devices\":[{\"path\":\"/dev/null\"},{\"path\":\"/dev/zero\",\"target\":\"/dev/z\","
			"\"permissions\":\"r\"},{\"path\":\"vendor.com/class=x\"},{\"path\":\"/dev/a\","
			"\"optional\":true}]"},
		{"gpus: all", "\"gpus\":{\"count\":-1}"},
		{"gpus: 2", "\"gpus\":{\"count\":2}"},
		{"gpus: ['0', GPU-1]", "\"gpus\":{\"ids\":[\"0\",\"GPU-1\"]}"},
		{"networks: [front]", "\"networks\":[{\"name\":\"front\"}]"},
		{"networks: {front: {aliases: [w]}, back: ~}",
			"\"networks\":[{\"name\":\"front\",\"aliases\":[\"w\"]},{\"name\":\"back\"}]"},
		{"ulimits: {nofile: 1024, nproc: {soft: 1, hard: 2}}",
			"\"ulimits\":[{\"name\":\"nofile\",\"soft\":1024,\"hard\":1024},"
			"{\"name\":\"nproc\",\"soft\":1,\"hard\":2}]"},
		{"ulimits: ['nofile=1:2']", "\"ulimits\":[{\"name\":\"nofile\",\"soft\":1,\"hard\":2}]"},
		{"deviceReadBps: ['/dev/sda:1m']", "\"deviceReadBps\":[{\"path\":\"/dev/sda\",\"rate\":\"1m\"}]"},
		{"blkioWeightDevice: ['/dev/sda:500']",
			"\"blkioWeightDevice\":[{\"path\":\"/dev/sda\",\"weight\":500}]"},
		{"healthcheck: {test: wget x, interval: 90s}",
			"\"healthcheck\":{\"test\":[\"CMD-SHELL\",\"wget x\"],\"interval\":\"1m30s\"}"},
		{"healthcheck: {test: NONE}", "\"healthcheck\":{\"test\":[\"NONE\"]}"},
		{"extraHosts: {a: 192.0.2.1}", "\"extraHosts\":[\"a:192.0.2.1\"]"},
		{"extraHosts: ['a=::1']", "\"extraHosts\":[\"a:::1\"]"},
		{"dependsOn: [db, mq]", "\"dependsOn\":[{\"name\":\"db\",\"condition\":\"started\"},"
					"{\"name\":\"mq\",\"condition\":\"started\"}]"},
		{"dependsOn: {db: {condition: healthy}}",
			"\"dependsOn\":[{\"name\":\"db\",\"condition\":\"healthy\"}]"},
		{"memory: 64m\ncpus: 0.5\nshmSize: 1000", "\"shmSize\":1000,\"memory\":\"64m\",\"cpus\":0.5"},
		{"memory: 6m\nmemorySwap: -1", "\"memory\":\"6m\",\"memorySwap\":-1"},
		{"stopGracePeriod: 0s", "\"stopGracePeriod\":\"0s\""},
		{"maskedPaths: []", "\"maskedPaths\":[]"},
		{"enabled: false\nrestart: 'no'", "\"enabled\":false,\"restart\":\"no\""},
		{"signature: {verifyTransparencyLog: false}", "\"signature\":{\"verifyTransparencyLog\":false}"},
		{"hostname: ''\nlabels: {}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(Declaration) declaration, again;
		autofree char *yaml = NULL, *members = NULL, *inner = NULL;
		assert_true(asprintf(&yaml, "image: x\n%s\n", rows[i].yaml) > 0);
		read_into(&declaration, yaml);
		/* what one row says of the order of fields is compared as a document */
		assert_true(asprintf(&members, "{\"name\":\"web\",\"image\":\"x\"%s%s}", *rows[i].canonical ? "," : "",
				    rows[i].canonical) > 0);
		inner = written(&declaration);
		autoptr(Value) expected = NULL;
		autoptr(Value) actual = NULL;
		check_ok(value_parse(&expected, members, strlen(members)));
		check_ok(value_parse(&actual, inner, strlen(inner)));
		if (!value_equal(expected, actual))
			assert_string_equal(inner, members);
		read_into(&again, inner);
		assert_int_equal(declaration_compare(&(StringList){0}, &declaration, &again), DECLARED_SAME);
		check_text(written(&again), inner);
	}
}

static void test_errors_name_the_field(void **state)
{
	static const struct {
		const char *yaml, *message;
	} rows[] = {
		{"{}", "field \"image\" is missing"},
		{"image: UPPER", "field \"image\": invalid reference \"UPPER\": repository name must be lower case"},
		{"image: x\nimages: y", "field \"images\" is unknown"},
		{"image: x\nname: other", "field \"name\": \"other\" is not \"web\", which the file is named"},
		{"image: x\npull: often",
			"field \"pull\" must be one of \"missing\", \"always\", \"never\", not \"often\""},
		{"image: x\nports: ['a']", "field \"ports[0]\": \"a\": \"a\" is not a whole number"},
		{"image: x\nports: ['80', '1-2:3-5']",
			"field \"ports[1]\": \"1-2:3-5\": the two ranges of ports are not equally long"},
		{"image: x\nports: [{container: 80, hostPort: 8080}]", "ports[0]: field \"hostPort\" is unknown"},
		{"image: x\nvolumes: ['/a:/b:wx']",
			"field \"volumes[0]\": bind \"/a:/b:wx\": option \"wx\" is unknown"},
		{"image: x\nenvironment: {A: 1.10}",
			"field \"environment\": \"A\" must be in quotes, so that the number stays as it is written"},
		{"image: x\npullTimeout: 10ms",
			"field \"pullTimeout\" must be between 1s and 2562047h47m16.854775807s"},
		{"image: x\nmemory: 1k", "field \"memory\" must be at least 6 MiB"},
		{"image: x\nworkingDir: a", "field \"workingDir\": \"a\" must be an absolute path"},
		{"image: x\nhealthcheck: {test: [x]}",
			"field \"healthcheck\": test must begin with NONE, CMD or CMD-SHELL, not \"x\""},
		{"image: x\nlabels: {kedge.declared: a}", "field \"labels\": \"kedge.declared\" is kedge's own"},
		{"image: x\ndependsOn: [web]", "field \"dependsOn\": \"web\" is the container itself"},
		{"image: x\nregistry: {password: a}", "field \"registry\" has a password without \"username\""},
		{"image: x\nsignature: {enforcementDigest: abc}",
			"field \"signature.enforcementDigest\": invalid digest \"abc\": it must start with \"sha256:\" "
			"or \"sha512:\""},
		{"image: x\nrestart: sometimes",
			"field \"restart\" must be one of \"no\", \"on-failure\", \"always\", \"unless-stopped\", not "
			"\"sometimes\""},
		{"image: x\ngpus: {optional: true}", "field \"gpus\" must have either \"count\" or \"ids\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_refused(rows[i].yaml, rows[i].message);
}

/* ---- the container ---- */

static void spec_of(ContainerSpec *ret, const char *yaml, StringList *notes)
{
	autoclear(Declaration) declaration;

	read_into(&declaration, yaml);
	container_spec_init(ret);
	check_ok(declaration_spec(ret, &declaration, notes));
}

static void test_spec(void **state)
{
	autoclear(ContainerSpec) spec;
	autoclear(StringList) notes = {0};

	(void)state;
	spec_of(&spec,
		"image: x\nstopGracePeriod: 1500ms\ntmpfs: /run:size=1m\nvolumes: ['v:/v']\nnetworks: [front, back]\n"
		"links: [db]\ncapAdd: [net_admin]\n"
		"devices: [{path: /dev/null}, {path: /dev/no-such-device, optional: true}]\n",
		&notes);
	const MountSpec *mounts = spec.mounts.items;
	assert_int_equal(spec.stop_timeout_s, 2);
	assert_int_equal(spec.mounts.count, 2);
	assert_true(mounts[0].as_mount);
	assert_string_equal(mounts[1].target, "/run");
	assert_string_equal(mounts[1].options, "size=1m");
	assert_string_equal(spec.network_mode, "front");
	assert_int_equal(spec.endpoints.count, 2);
	assert_string_equal(spec.links.items[0], "db:db");
	assert_string_equal(spec.cap_add.items[0], "CAP_NET_ADMIN");
	assert_int_equal(spec.devices.count, 1);
	assert_string_equal(map_get(&spec.labels, "kedge.declared"), "web");
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.items[0], "device \"/dev/no-such-device\" is not there: it is left out");
}

static void test_env_files(void **state)
{
	autoclear(ContainerSpec) spec;
	autofree char *path = NULL, *yaml = NULL;

	assert_true(asprintf(&path, "%s/env", (char *)*state) > 0);
	check_ok(file_replace(AT_FDCWD, path, "A=1\nB=2\n", 8, 0600));
	assert_true(asprintf(&yaml, "image: x\nenvFile: %s\nenvironment: [B=3]\n", path) > 0);
	spec_of(&spec, yaml, &(StringList){0});
	check_text(strings_join(&spec.env, " "), "A=1 B=3");
}

/* They are looked for at each start: what is optional may be there by then. */
static void test_requested_devices(void **state)
{
	autoclear(ContainerSpec) spec;
	autoclear(StringList) notes = {0};
	const DeviceRequest *requests;

	(void)state;
	spec_of(&spec,
		"image: x\ndevices: [a.b/c=x, {path: a.b/c=y, optional: true}]\ngpus: {ids: ['0', GPU-1], optional: "
		"true}\n",
		&notes);
	assert_int_equal(spec.devices.count, 0);
	assert_int_equal(spec.device_requests.count, 3);
	requests = spec.device_requests.items;
	assert_string_equal(requests[0].driver, "cdi");
	check_text(strings_join(&requests[0].ids, " "), "a.b/c=x");
	assert_false(requests[0].optional);
	check_text(strings_join(&requests[1].ids, " "), "a.b/c=y");
	assert_true(requests[1].optional);
	assert_null(requests[2].driver);
	check_text(strings_join(&requests[2].ids, " "), "0 GPU-1");
	assert_string_equal(value_string(value_at(value_at(requests[2].capabilities, 0), 0)), "gpu");
	assert_true(requests[2].optional);
	assert_int_equal(notes.count, 0);
	check_ok(device_request_check(&requests[2]));
}

/* What is stored and shown, but never run as if it were not there. */
static void test_unavailable(void **state)
{
	static const struct {
		const char *yaml, *message;
	} rows[] = {
		{"image: x\nsignature: {trustAnchor: key}",
			"field \"signature.trustAnchor\": signatures are not checked yet, so that the container does "
			"not run"},
		{"image: x\nidentity: {enabled: true}",
			"field \"identity.enabled\": there are no identities for containers yet, so that the container "
			"does not run"},
		{"image: x\nidentity: {permissions: a}",
			"field \"identity.permissions\": there are no identities for containers yet, so that the "
			"container does not run"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(Declaration) declaration;
		autoclear(ContainerSpec) spec;
		container_spec_init(&spec);
		read_into(&declaration, rows[i].yaml);
		check_error(
			declaration_spec(&spec, &declaration, &(StringList){0}), ERROR_UNSUPPORTED, rows[i].message);
		declaration.enabled = false;
		check_ok(declaration_spec(&spec, &declaration, &(StringList){0}));
	}
}

/* ---- comparing ---- */

static void test_compare(void **state)
{
	static const struct {
		const char *from, *to;
		DeclaredChange change;
		const char *names;
	} rows[] = {
		{"", "", DECLARED_SAME, ""},
		{"", "enabled: false", DECLARED_SAME, "enabled"},
		{"", "registry: {username: a, password: b}", DECLARED_SAME, "registry"},
		{"", "pullRetries: 0\ndependsOn: [db]", DECLARED_SAME, "pullRetries dependsOn"},
		{"", "memory: 64m", DECLARED_UPDATE, "memory"},
		{"memory: 64m", "memory: 32m\nrestart: always", DECLARED_UPDATE, "restart memory"},
		{"memory: 64m", "", DECLARED_RECREATE, "memory"},
		{"restart: always", "", DECLARED_UPDATE, "restart"},
		{"", "ports: ['80:80']", DECLARED_RECREATE, "ports"},
		{"environment: {A: 1}", "environment: {A: 2}\nmemory: 64m", DECLARED_RECREATE, "environment memory"},
		{"entrypoint: []", "", DECLARED_RECREATE, "entrypoint"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(Declaration) from, to;
		autoclear(StringList) names = {0};
		autofree char *a = NULL, *b = NULL;
		assert_true(asprintf(&a, "image: x\n%s\n", rows[i].from) > 0);
		assert_true(asprintf(&b, "image: x\n%s\n", rows[i].to) > 0);
		read_into(&from, a);
		read_into(&to, b);
		assert_int_equal(declaration_compare(&names, &from, &to), rows[i].change);
		check_text(strings_join(&names, " "), rows[i].names);
	}
}

/* A container that was made from one declaration, held against another one. */
static void check_container(const char *made, const char *wanted, DeclaredChange change, const char *expected)
{
	autoclear(Declaration) declaration;
	autoclear(ContainerSpec) have, want;
	autoclear(StringList) names = {0};

	spec_of(&have, made, &(StringList){0});
	spec_of(&want, wanted, &(StringList){0});
	read_into(&declaration, wanted);
	assert_int_equal(declaration_compare_container(&names, &declaration, &want, &have, NULL), change);
	check_text(strings_join(&names, " "), expected);
}

static void test_compare_ours(void **state)
{
	(void)state;
	check_container("image: x", "image: x", DECLARED_SAME, "");
	check_container("image: x", "image: x\npull: always", DECLARED_SAME, "");
	check_container("image: x", "image: y", DECLARED_RECREATE, "image");
	check_container("image: x\nuser: a", "image: x\nhostname: h", DECLARED_RECREATE, "hostname user");
	check_container("image: x\nmemory: 64m", "image: x\nmemory: 32m", DECLARED_UPDATE, "memory");
	check_container("image: x\nmemory: 64m", "image: x", DECLARED_RECREATE, "memory");
	check_container("image: x", "image: x\nrestart: always\ncpuset: '0'", DECLARED_UPDATE, "cpuset restart");
}

/* Swap that the engine added, and a limit that the kernel does not have, are no differences. */
static void test_compare_what_the_engine_did(void **state)
{
	static const char yaml[] = "image: x\nmemory: 64m\nblkioWeight: 100\n";
	autoclear(Declaration) declaration;
	autoclear(ContainerSpec) have, want;
	autoclear(StringList) names = {0};

	(void)state;
	spec_of(&have, yaml, &(StringList){0});
	spec_of(&want, yaml, &(StringList){0});
	read_into(&declaration, yaml);
	have.memory_swap = have.memory * 2;
	have.blkio_weight = 0;
	assert_int_equal(declaration_compare_container(&names, &declaration, &want, &have, NULL), DECLARED_SAME);
	have.blkio_weight = 50;
	assert_int_equal(declaration_compare_container(&names, &declaration, &want, &have, NULL), DECLARED_UPDATE);
}

static void test_compare_theirs(void **state)
{
	static const char yaml[] = "image: x\nrestart: 'no'\nvolumes: ['/a:/b']\nlabels: {a: '1'}\n";
	autoclear(Declaration) declaration;
	autoclear(ContainerSpec) have, want;
	autoclear(StringList) names = {0};
	const ImageConfig image = {.config = {.workdir = (char *)"/w"}};

	(void)state;
	spec_of(&have, yaml, &(StringList){0});
	spec_of(&want, yaml, &(StringList){0});
	read_into(&declaration, yaml);
	map_remove(&have.labels, "kedge.declared");
	have.workdir = strdup("/w");
	string_replace(&have.image, "docker.io/library/x:latest");
	assert_int_equal(declaration_compare_container(&names, &declaration, &want, &have, &image), DECLARED_SAME);
	string_replace(&have.log_driver, "json-file"); /* what it is where nothing is said */
	assert_int_equal(declaration_compare_container(&names, &declaration, &want, &have, &image), DECLARED_SAME);
	string_replace(&have.log_driver, "none");
	string_replace(&((MountSpec *)have.mounts.items)[0].target, "/c");
	string_replace(&have.user, "nobody");
	string_replace(&have.image, "x:2");
	map_remove(&have.labels, "a");
	assert_int_equal(declaration_compare_container(&names, &declaration, &want, &have, &image), DECLARED_RECREATE);
	check_text(strings_join(&names, " "), "user image labels volumes logging");
}

/* ---- secrets and the table ---- */

static void test_shown_hides_secrets(void **state)
{
	autoclear(Declaration) declaration;
	autoclear(Buffer) text = {0};

	(void)state;
	read_into(&declaration, "image: x\nregistry: {username: u, password: s3cret}\n");
	autoptr(Value) shown = declaration_shown(&declaration);
	value_write(shown, &text);
	assert_null(strstr(buffer_text(&text), "s3cret"));
	assert_non_null(strstr(buffer_text(&text), "\"password\":\"(hidden)\""));
}

static void check_texts(const Field *table)
{
	for (; table->name; table++) {
		if (!table->text || !*table->text) {
			print_error("field \"%s\" has no text\n", table->name);
			fail();
		}
		if (table->sub)
			check_texts(table->sub);
	}
}

static void test_every_field_has_a_text(void **state)
{
	(void)state;
	check_texts(declaration_fields);
}

/* Members of ContainerSpec that no field reaches, each with its reason. */
static const char *const unreached[] = {
	"binds",                                                                /* "volumes" are mounts */
	"volumes", "entrypointReset", "maskedPathsGiven", "readOnlyPathsGiven", /* parts of fields */
	"stopTimeout", "devices", "deviceRequests", /* "stopGracePeriod", "devices", "gpus" */
	"attachStdin", "attachStdout", "attachStderr", "onBuild", "shell", "idFile", /* have no effect */
	"autoRemove",                                                                /* what is declared is to stay */
};

static bool reaches(const Field *table, size_t base, size_t offset)
{
	for (; table->name; table++) {
		bool is_part = table->kind == FIELD_OBJECT && table->offset == 0;
		if (is_part ? reaches(table->sub, base, offset) : table->offset == base + offset)
			return true;
	}
	return false;
}

static void test_every_option_is_reached(void **state)
{
	(void)state;
	for (const Field *field = container_spec_fields; field->name; field++) {
		bool is_known = names_find(unreached, sizeof(unreached) / sizeof(unreached[0]), field->name) >= 0;
		bool is_reached = field->kind == FIELD_OBJECT
					  ? reaches(declaration_fields, offsetof(Declaration, spec),
						    field->offset + field->sub[0].offset)
					  : reaches(declaration_fields, offsetof(Declaration, spec), field->offset);
		if (is_reached == is_known) {
			print_error("option \"%s\" is %s\n", field->name, is_known ? "reached" : "not reached");
			fail();
		}
	}
}

static void test_copy(void **state)
{
	autoclear(Declaration) declaration, copy;

	(void)state;
	read_into(&declaration, "image: x\nvolumes: ['/a:/b']\nentrypoint: []\ngpus: all\n");
	declaration_init(&copy);
	declaration_copy(&copy, &declaration);
	autofree char *expected = written(&declaration);
	check_text(written(&copy), expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_short_forms),
		cmocka_unit_test(test_errors_name_the_field),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_requested_devices),
		directory_test(test_env_files),
		cmocka_unit_test(test_unavailable),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_compare_ours),
		cmocka_unit_test(test_compare_what_the_engine_did),
		cmocka_unit_test(test_compare_theirs),
		cmocka_unit_test(test_shown_hides_secrets),
		cmocka_unit_test(test_every_field_has_a_text),
		cmocka_unit_test(test_every_option_is_reached),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
