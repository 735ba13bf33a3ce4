// SPDX-License-Identifier: Apache-2.0
#include "json/fields.h"

#include "check.h"

typedef struct Port {
	int64_t container, host;
	char *protocol;
} Port;

typedef struct Limits {
	int64_t memory, cpus;
} Limits;

typedef struct Spec {
	char *name;
	bool privileged;
	int64_t priority, timeout, stop;
	StringList env, command, volumes;
	StringMap labels;
	int restart;
	FieldArray ports;
	Limits limits;
	Limits *reserved;
	Value *extra;
	int64_t shm; /* in the JSON, within HostConfig */
} Spec;

enum { RESTART_NO, RESTART_ALWAYS, RESTART_ON_FAILURE, RESTARTS };
static const char *const restart_names[] = {"no", "always", "on-failure"};

static const Field port_fields[] = {
	{.name = "containerPort",
		.kind = FIELD_INT,
		.offset = offsetof(Port, container),
		.min = 1,
		.max = 65535,
		.required = true},
	{.name = "hostPort", .kind = FIELD_INT, .offset = offsetof(Port, host), .max = 65535, .omit_empty = true},
	{.name = "protocol",
		.kind = FIELD_STRING,
		.offset = offsetof(Port, protocol),
		.max_length = 4,
		.omit_empty = true},
	FIELDS_END,
};

static const Field limit_fields[] = {
	{.name = "memory", .kind = FIELD_BYTES, .offset = offsetof(Limits, memory), .omit_empty = true},
	{.name = "cpus", .kind = FIELD_NANO, .offset = offsetof(Limits, cpus), .omit_empty = true},
	FIELDS_END,
};

static const Field host_fields[] = {
	{.name = "ShmSize", .kind = FIELD_INT, .offset = offsetof(Spec, shm)},
	FIELDS_END,
};

#define SPEC(field_name, field_kind, member) .name = field_name, .kind = field_kind, .offset = offsetof(Spec, member)

static const Field spec_fields[] = {
	{SPEC("name", FIELD_STRING, name), .required = true},
	{SPEC("privileged", FIELD_BOOL, privileged), .omit_empty = true},
	{SPEC("priority", FIELD_INT, priority), .omit_empty = true},
	{SPEC("timeout", FIELD_DURATION, timeout), .omit_empty = true},
	{SPEC("env", FIELD_STRINGS, env), .max_count = 3, .omit_empty = true},
	{SPEC("command", FIELD_WORDS, command), .omit_empty = true},
	{SPEC("volumes", FIELD_SET, volumes), .omit_empty = true},
	{SPEC("labels", FIELD_MAP, labels), .omit_empty = true},
	{SPEC("restart", FIELD_ENUM, restart), .names = restart_names, .name_count = RESTARTS, .omit_empty = true},
	{SPEC("ports", FIELD_ARRAY, ports), .sub = port_fields, .sub_size = sizeof(Port), .omit_empty = true},
	{SPEC("limits", FIELD_OBJECT, limits), .sub = limit_fields, .sub_size = sizeof(Limits), .omit_empty = true},
	{SPEC("reserved", FIELD_OBJECT_OR_NULL, reserved), .sub = limit_fields, .sub_size = sizeof(Limits),
		.omit_empty = true},
	{SPEC("extra", FIELD_VALUE, extra), .omit_empty = true},
	{.name = "HostConfig", .kind = FIELD_OBJECT, .sub = host_fields, .sub_size = sizeof(Spec), .omit_empty = true},
	FIELDS_END,
};

static const char full[] =
	"{\"name\":\"web\",\"privileged\":true,\"priority\":-3,\"timeout\":90000000000,\"env\":[\"A=1\",\"B=2\"],"
	"\"command\":[\"sh\",\"-c\"],\"volumes\":{\"/data\":{},\"/log\":{}},\"labels\":{\"z\":\"1\",\"a\":\"2\"},"
	"\"restart\":\"always\",\"ports\":[{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":53,\"protocol\":"
	"\"udp\"}],"
	"\"limits\":{\"memory\":67108864,\"cpus\":1.5},\"reserved\":{\"cpus\":0.000000001},\"extra\":{\"any\":[1,null]}"
	","
	"\"HostConfig\":{\"ShmSize\":4096}}";

static Error *read_spec(Spec *spec, const char *text, int flags)
{
	return fields_read_text(spec_fields, spec, "spec", text, strlen(text), flags);
}

static char *written(const Spec *spec)
{
	Buffer text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(spec_fields, spec, &writer, NULL);
	return buffer_steal(&text);
}

static void reads_every_kind(void **state)
{
	Spec spec = {0};

	(void)state;
	check_ok(read_spec(&spec, full, FIELDS_STRICT));
	assert_string_equal(spec.name, "web");
	assert_true(spec.privileged);
	assert_int_equal(spec.priority, -3);
	assert_int_equal(spec.timeout, INT64_C(90000000000));
	assert_int_equal(spec.env.count, 2);
	assert_string_equal(spec.volumes.items[1], "/log");
	assert_string_equal(map_get(&spec.labels, "a"), "2");
	assert_int_equal(spec.restart, RESTART_ALWAYS);
	assert_int_equal(spec.ports.count, 2);
	assert_string_equal(((Port *)spec.ports.items)[1].protocol, "udp");
	assert_int_equal(spec.limits.cpus, 1500000000);
	assert_int_equal(spec.reserved->cpus, 1);
	assert_int_equal(spec.shm, 4096);
	check_text(written(&spec), full);
	fields_clear(spec_fields, &spec);
	assert_memory_equal(&spec, &(Spec){0}, sizeof(spec));
}

static void reads_other_spellings(void **state)
{
	Spec spec = {0};

	(void)state;
	check_ok(read_spec(&spec,
		"{\"name\":\"w\",\"timeout\":\"1m30s\",\"command\":\"run\",\"priority\":2.0,"
		"\"limits\":{\"memory\":\"64m\",\"cpus\":2},\"reserved\":{\"cpus\":\"0.1\"},"
		"\"labels\":{\"k\":null},\"volumes\":{\"/x\":5}}",
		0));
	assert_int_equal(spec.timeout, INT64_C(90000000000));
	assert_int_equal(spec.command.count, 1);
	assert_string_equal(spec.command.items[0], "run");
	assert_int_equal(spec.priority, 2);
	assert_int_equal(spec.limits.memory, 64 << 20);
	assert_int_equal(spec.limits.cpus, 2000000000);
	assert_int_equal(spec.reserved->cpus, 100000000);
	assert_string_equal(map_get(&spec.labels, "k"), "");
	assert_string_equal(spec.volumes.items[0], "/x");
	fields_clear(spec_fields, &spec);
}

/* Each text goes into {"name":"w",...}; the message is behind "spec: ". */
static void check_refused(const char *text, const char *message, int flags)
{
	Spec spec = {0};
	autofree char *document = string_printf("{\"name\":\"w\",%s}", text);
	autofree char *expected = string_printf("spec: %s", message);

	check_invalid(read_spec(&spec, document, flags), expected);
	fields_clear(spec_fields, &spec);
}

static void errors_have_paths(void **state)
{
	static const char *const cases[][2] = {
		{"\"ports\":[{\"containerPort\":1},{\"containerPort\":\"80\"}]",
			"field \"ports[1].containerPort\" must be a number, not a string"},
		{"\"ports\":[{\"containerPort\":1},{}]", "ports[1]: field \"containerPort\" is missing"},
		{"\"ports\":[{\"containerPort\":null}]", "ports[0]: field \"containerPort\" is missing"},
		{"\"ports\":[{\"containerPort\":0}]", "field \"ports[0].containerPort\" must be between 1 and 65535"},
		{"\"ports\":[{\"containerPort\":65536}]",
			"field \"ports[0].containerPort\" must be between 1 and 65535"},
		{"\"ports\":[{\"containerPort\":1.5}]", "field \"ports[0].containerPort\" must be a whole number"},
		{"\"ports\":[{\"containerPort\":1,\"protocol\":\"sctpx\"}]",
			"field \"ports[0].protocol\" is longer than 4 bytes"},
		{"\"ports\":[80]", "field \"ports[0]\" must be an object, not a number"},
		{"\"ports\":{}", "field \"ports\" must be an array, not an object"},
		{"\"priority\":1e19", "field \"priority\" is out of range"},
		{"\"priority\":true", "field \"priority\" must be a number, not a boolean"},
		{"\"privileged\":\"yes\"", "field \"privileged\" must be a boolean, not a string"},
		{"\"env\":\"A=1\"", "field \"env\" must be an array of strings, not a string"},
		{"\"env\":[\"A=1\",2]", "field \"env[1]\" must be a string, not a number"},
		{"\"env\":[null]", "field \"env[0]\" must be a string, not null"},
		{"\"env\":[\"a\",\"b\",\"c\",\"d\"]", "field \"env\" has more than 3 items"},
		{"\"command\":5", "field \"command\" must be a string or an array of strings, not a number"},
		{"\"command\":[[]]", "field \"command[0]\" must be a string, not an array"},
		{"\"volumes\":[\"/x\"]", "field \"volumes\" must be an object, not an array"},
		{"\"labels\":{\"a\":1}", "field \"labels.a\" must be a string, not a number"},
		{"\"labels\":[]", "field \"labels\" must be an object of strings, not an array"},
		{"\"restart\":\"never\"",
			"field \"restart\" must be one of \"no\", \"always\", \"on-failure\", not \"never\""},
		{"\"restart\":1", "field \"restart\" must be a string, not a number"},
		{"\"timeout\":\"soon\"", "field \"timeout\": \"soon\" is not a duration such as 1m30s or 100ms"},
		{"\"timeout\":[]", "field \"timeout\" must be a duration or a number of nanoseconds, not an array"},
		{"\"limits\":{\"memory\":\"x\"}",
			"field \"limits.memory\": \"x\" is not a size such as 512, 64m or 1.5g"},
		{"\"limits\":{\"memory\":false}",
			"field \"limits.memory\" must be a size or a number of bytes, not a boolean"},
		{"\"limits\":{\"cpus\":1e300}", "field \"limits.cpus\" is out of range"},
		{"\"limits\":[]", "field \"limits\" must be an object, not an array"},
		{"\"reserved\":{\"cpus\":{}}", "field \"reserved.cpus\" must be a number, not an object"},
		{"\"HostConfig\":{\"ShmSize\":\"x\"}", "field \"HostConfig.ShmSize\" must be a number, not a string"},
		{"\"env\":[\"a\\u0000\"]", "field \"env[0]\" holds a NUL character"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_refused(cases[i][0], cases[i][1], 0);
}

static void strictness_names_the_unknown(void **state)
{
	Spec spec = {0};

	(void)state;
	check_refused("\"colour\":1", "field \"colour\" is unknown", FIELDS_STRICT);
	check_refused(
		"\"ports\":[{\"containerPort\":1,\"port\":2}]", "ports[0]: field \"port\" is unknown", FIELDS_STRICT);
	check_ok(read_spec(&spec, "{\"name\":\"w\",\"colour\":1}", 0));
	fields_clear(spec_fields, &spec);
	check_invalid(read_spec(&spec, "{}", 0), "spec: field \"name\" is missing");
	check_invalid(read_spec(&spec, "[]", 0), "spec: document must be an object, not an array");
	check_invalid(read_spec(&spec, "{", 0),
		"spec: invalid JSON: line 1, column 1: string or '}' expected near end of file");
}

static void keeps_what_the_document_has_not(void **state)
{
	Spec spec = {0};

	(void)state;
	check_ok(read_spec(&spec, full, 0));
	check_ok(read_spec(&spec,
		"{\"name\":\"new\",\"priority\":null,\"env\":[\"C=3\"],\"limits\":{\"cpus\":3},"
		"\"reserved\":{\"memory\":5},\"ports\":[],\"labels\":{\"new\":\"1\"}}",
		0));
	assert_string_equal(spec.name, "new");
	assert_int_equal(spec.priority, -3);
	assert_int_equal(spec.env.count, 1); /* lists and maps are replaced as a whole */
	assert_int_equal(spec.labels.count, 1);
	assert_int_equal(spec.ports.count, 0);
	assert_int_equal(spec.limits.memory, 64 << 20); /* objects member by member */
	assert_int_equal(spec.limits.cpus, 3000000000);
	assert_int_equal(spec.reserved->cpus, 1);
	assert_int_equal(spec.reserved->memory, 5);
	assert_int_equal(spec.restart, RESTART_ALWAYS);
	fields_clear(spec_fields, &spec);
}

static void copies_are_equal_and_apart(void **state)
{
	Spec spec = {0}, copy = {0}, other = {0};

	(void)state;
	check_ok(read_spec(&spec, full, 0));
	check_ok(read_spec(&copy,
		"{\"name\":\"old\",\"reserved\":{\"memory\":1},\"extra\":7,\"ports\":[{\"containerPort\":9}]}", 0));
	fields_copy(spec_fields, &copy, &spec);
	fields_copy(spec_fields, &copy, &copy);
	assert_true(fields_equal(spec_fields, &spec, &copy));
	check_text(written(&copy), full);
	fields_clear(spec_fields, &spec);
	check_text(written(&copy), full);
	fields_copy(spec_fields, &copy, &other);
	check_text(written(&copy), "{\"name\":\"\"}");
	assert_null(copy.reserved);
}

/* Each change of one field is a difference; another order of a map or a set is none. */
static void compares_every_field(void **state)
{
	static const char *const changes[] = {"\"name\":\"x\"", "\"privileged\":false", "\"priority\":0",
		"\"timeout\":1", "\"env\":[\"A=1\",\"B=3\"]", "\"env\":[\"B=2\",\"A=1\"]", "\"command\":\"sh\"",
		"\"volumes\":{\"/data\":{}}", "\"volumes\":{\"/data\":{},\"/x\":{}}", "\"labels\":{\"z\":\"1\"}",
		"\"labels\":{\"z\":\"1\",\"a\":\"3\"}", "\"labels\":{\"z\":\"1\",\"b\":\"2\"}", "\"restart\":\"no\"",
		"\"ports\":[{\"containerPort\":80}]", "\"limits\":{\"memory\":1}", "\"reserved\":{\"cpus\":1}",
		"\"extra\":{\"any\":[1]}", "\"HostConfig\":{\"ShmSize\":1}",
		"\"ports\":[{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":53,\"protocol\":\"tcp\"}]"};
	Spec a = {0}, b = {0};

	(void)state;
	check_ok(read_spec(&a, full, 0));
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		autofree char *text = string_printf("{\"name\":\"web\",%s}", changes[i]);
		check_ok(read_spec(&b, full, 0));
		assert_true(fields_equal(spec_fields, &a, &b));
		if (string_starts(changes[i], "\"name\""))
			string_replace(&b.name, "x");
		else
			check_ok(read_spec(&b, text, 0));
		assert_false(fields_equal(spec_fields, &a, &b));
		assert_false(fields_equal(spec_fields, &b, &a));
		fields_clear(spec_fields, &b);
	}
	check_ok(read_spec(&b, full, 0));
	check_ok(read_spec(&b,
		"{\"name\":\"web\",\"labels\":{\"a\":\"2\",\"z\":\"1\"},\"volumes\":{\"/log\":{},\"/data\":{}}}", 0));
	assert_true(fields_equal(spec_fields, &a, &b));
	fields_clear(spec_fields, &a);
	fields_clear(spec_fields, &b);
}

static void writes_empty_fields_unless_told(void **state)
{
	static const Field fields[] = {
		{SPEC("name", FIELD_STRING, name)},
		{SPEC("env", FIELD_STRINGS, env)},
		{SPEC("volumes", FIELD_SET, volumes)},
		{SPEC("labels", FIELD_MAP, labels)},
		{SPEC("restart", FIELD_ENUM, restart), .names = restart_names, .name_count = RESTARTS},
		{SPEC("ports", FIELD_ARRAY, ports), .sub = port_fields, .sub_size = sizeof(Port)},
		{SPEC("limits", FIELD_OBJECT, limits), .sub = limit_fields},
		{SPEC("reserved", FIELD_OBJECT_OR_NULL, reserved), .sub = limit_fields, .sub_size = sizeof(Limits)},
		{SPEC("extra", FIELD_VALUE, extra)},
		{SPEC("cpus", FIELD_NANO, shm)},
		FIELDS_END,
	};
	autoclear(Buffer) text = {0};
	Writer writer;
	Spec spec = {0};

	(void)state;
	writer_init(&writer, &text);
	fields_write(fields, &spec, &writer, NULL);
	assert_string_equal(buffer_text(&text),
		"{\"name\":\"\",\"env\":[],\"volumes\":{},\"labels\":{},\"restart\":\"no\",\"ports\":[],\"limits\":{},"
		"\"reserved\":null,\"extra\":null,\"cpus\":0}");
}

static void writes_decimals_exactly(void **state)
{
	static const struct {
		int64_t nano;
		const char *text;
	} cases[] = {{1, "0.000000001"}, {1500000000, "1.5"}, {-2000000000, "-2"}, {INT64_MAX, "9223372036.854775807"},
		{100000000000, "100"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autoclear(Buffer) text = {0};
		Writer writer;
		writer_init(&writer, &text);
		fields_write(limit_fields, &(Limits){.cpus = cases[i].nano}, &writer, NULL);
		autofree char *expected = string_printf("{\"cpus\":%s}", cases[i].text);
		assert_string_equal(buffer_text(&text), expected);
	}
}

static void integers_keep_all_their_bits(void **state)
{
	Spec spec = {0};

	(void)state;
	check_ok(read_spec(&spec, "{\"name\":\"w\",\"priority\":9223372036854775807}", 0));
	assert_int_equal(spec.priority, INT64_MAX);
	check_ok(read_spec(&spec, "{\"name\":\"w\",\"priority\":-9223372036854775808}", 0));
	assert_int_equal(spec.priority, INT64_MIN);
	check_ok(read_spec(&spec, "{\"name\":\"w\",\"priority\":9007199254740993}", 0)); /* 2^53 + 1 */
	assert_int_equal(spec.priority, INT64_C(9007199254740993));
	fields_clear(spec_fields, &spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_kind),
		cmocka_unit_test(reads_other_spellings),
		cmocka_unit_test(errors_have_paths),
		cmocka_unit_test(strictness_names_the_unknown),
		cmocka_unit_test(keeps_what_the_document_has_not),
		cmocka_unit_test(copies_are_equal_and_apart),
		cmocka_unit_test(compares_every_field),
		cmocka_unit_test(writes_empty_fields_unless_told),
		cmocka_unit_test(writes_decimals_exactly),
		cmocka_unit_test(integers_keep_all_their_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
