// SPDX-License-Identifier: Apache-2.0
#include "device/convert.h"

#include "check.h"

static void convert(ConvertedList *ret, const char *yaml, const char *directory)
{
	autoptr(Value) document = NULL;

	check_ok(value_parse_yaml(&document, yaml, strlen(yaml)));
	assert_true(compose_is(document));
	check_ok(compose_convert(ret, document, directory));
}

static char *written(const Converted *converted)
{
	autoptr(Value) value = declaration_value(&converted->declaration);
	autoclear(Buffer) text = {0};

	if (converted->problem)
		return strdup(converted->problem);
	value_write(value, &text);
	return buffer_steal(&text);
}

/* One service with an image, and what it becomes beside name and image. */
static void test_fields(void **state)
{
	static const struct {
		const char *service, *expected;
	} rows[] = {
		{"command: sh -c 'a b'", "\"command\":[\"sh\",\"-c\",\"a b\"]"},
		{"environment: {A: 1, B: ~}", "\"environment\":[\"A=1\",\"B\"]"},
		{"env_file: ./a.env", "\"envFile\":[\"/srv/a.env\"]"},
		{"env_file: [{path: /b.env, required: true}]", "\"envFile\":[\"/b.env\"]"},
		{"container_name: other", "\"name\":\"other\""},
		{"ports: ['80:8080', 90]", "\"ports\":[{\"container\":8080,\"protocol\":\"tcp\",\"host\":80},"
					   "{\"container\":90,\"protocol\":\"tcp\"}]"},
		{"ports: [{target: 80, published: '8080', protocol: udp, host_ip: 127.0.0.1, mode: host}]",
			"\"ports\":[{\"container\":80,\"protocol\":\"udp\",\"address\":\"127.0.0.1\",\"host\":8080}]"},
		{"volumes: ['./data:/data:ro', 'named:/v', /anonymous]",
			"\"volumes\":[{\"type\":\"bind\",\"source\":\"/srv/data\",\"target\":\"/"
			"data\",\"readOnly\":true,"
			"\"createSource\":true},{\"type\":\"volume\",\"source\":\"named\",\"target\":\"/v\"},"
			"{\"type\":\"volume\",\"target\":\"/anonymous\"}]"},
		{"volumes: [{type: bind, source: ., target: /d, read_only: true, bind: {create_host_path: false}}]",
			"\"volumes\":[{\"type\":\"bind\",\"source\":\"/srv\",\"target\":\"/d\",\"readOnly\":true}]"},
		{"volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1024}}]",
			"\"volumes\":[{\"type\":\"tmpfs\",\"target\":\"/t\",\"options\":\"size=1024\"}]"},
		{"volumes: [{type: tmpfs, target: /t, tmpfs: {size: 64m, mode: 511}}]",
			"\"volumes\":[{\"type\":\"tmpfs\",\"target\":\"/t\",\"options\":\"size=64m,mode=777\"}]"},
		{"env_file: [{path: /no/such.env, required: false}, /b.env]", "\"envFile\":[\"/b.env\"]"},
		{"deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}",
			"\"gpus\":{\"count\":1}"},
		{"deploy: {resources: {reservations: {devices: [{count: all, capabilities: [gpu]}]}}}",
			"\"gpus\":{\"count\":-1}"},
		{"deploy: {resources: {reservations: {devices: [{device_ids: ['0', '3'], capabilities: [gpu]}]}}}",
			"\"gpus\":{\"ids\":[\"0\",\"3\"]}"},
		{"tmpfs: /run", "\"tmpfs\":[\"/run\"]"},
		{"restart: on-failure:3", "\"restart\":\"on-failure\",\"restartRetries\":3"},
		{"restart: always", "\"restart\":\"always\""},
		{"healthcheck: {test: curl x, interval: 1m, start_period: 5s, retries: 2}",
			"\"healthcheck\":{\"test\":[\"CMD-SHELL\",\"curl x\"],\"interval\":\"1m\",\"retries\":2,"
			"\"startPeriod\":\"5s\"}"},
		{"healthcheck: {disable: true}", "\"healthcheck\":{\"test\":[\"NONE\"]}"},
		{"depends_on: [db]", "\"dependsOn\":[{\"name\":\"db\",\"condition\":\"started\"}]"},
		{"depends_on: {db: {condition: service_healthy}, mq: {condition: service_completed_successfully}}",
			"\"dependsOn\":[{\"name\":\"db\",\"condition\":\"healthy\"},"
			"{\"name\":\"mq\",\"condition\":\"completed\"}]"},
		{"network_mode: service:db", "\"networkMode\":\"container:db\""},
		{"networks: {front: {aliases: [w], ipv4_address: 192.0.2.7}}",
			"\"networks\":[{\"name\":\"front\",\"aliases\":[\"w\"],\"ipv4\":\"192.0.2.7\"}]"},
		{"pull_policy: always", "\"pull\":\"always\""},
		{"mem_limit: 64m\n    cpus: 0.5", "\"memory\":\"64m\",\"cpus\":0.5"},
		{"deploy: {resources: {limits: {cpus: '0.25', memory: 32M, pids: 10}}}",
			"\"memory\":\"32m\",\"cpus\":0.25,\"pidsLimit\":10"},
		{"blkio_config: {weight: 300, device_read_bps: [{path: /dev/sda, rate: 12mb}]}",
			"\"blkioWeight\":300,\"deviceReadBps\":[{\"path\":\"/dev/sda\",\"rate\":\"12m\"}]"},
		{"group_add: [1000, audio]\n    expose: [80]", "\"groupAdd\":[\"1000\",\"audio\"],\"expose\":[\"80\"]"},
		{"ulimits: {nofile: {soft: 1, hard: 2}}\n    sysctls: [net.core.somaxconn=9]",
			"\"sysctls\":{\"net.core.somaxconn\":\"9\"},"
			"\"ulimits\":[{\"name\":\"nofile\",\"soft\":1,\"hard\":2}]"},
		{"logging: {driver: json-file, options: {max-size: 1m}}",
			"\"logging\":{\"driver\":\"json-file\",\"options\":{\"max-size\":\"1m\"}}"},
		{"labels: [a=b]\n    init: true\n    stop_grace_period: 1m30s",
			"\"labels\":{\"a\":\"b\"},\"init\":true,\"stopGracePeriod\":\"1m30s\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(ConvertedList) list = {0};
		autofree char *yaml = NULL, *wanted = NULL;
		assert_true(asprintf(&yaml, "services:\n  web:\n    image: x\n    %s\n", rows[i].service) > 0);
		convert(&list, yaml, "/srv");
		assert_int_equal(list.count, 1);
		autofree char *actual = written(&list.items[0]);
		autoptr(Value) value = NULL;
		autoptr(Value) expected = NULL;
		check_ok(value_parse(&value, actual, strlen(actual)));
		assert_true(asprintf(&wanted, "{%s}", rows[i].expected) > 0);
		check_ok(value_parse(&expected, wanted, strlen(wanted)));
		const char *name;
		Value *member;
		size_t cursor = 0;
		while (value_each(expected, &cursor, &name, &member))
			if (!value_get(value, name) || !value_equal(value_get(value, name), member)) {
				print_error("%s\n is %s\n", rows[i].service, actual);
				fail();
			}
	}
}

/* compose's default is no restart; kedge's is one. */
static void test_restart_of_compose(void **state)
{
	autoclear(ConvertedList) list = {0};

	(void)state;
	convert(&list, "services: {web: {image: x}}", NULL);
	check_text(written(&list.items[0]), "{\"name\":\"web\",\"image\":\"x\",\"restart\":\"no\"}");
	assert_int_equal(list.items[0].notes.count, 0);
}

static void test_whole_file(void **state)
{
	static const char yaml[] =
		"services:\n  web:\n    image: w\n    container_name: front-web\n    networks: [front]\n"
		"    volumes: ['data:/d']\n  db:\n    image: d\n    depends_on: [web]\n"
		"    build: .\n    profiles: [x]\n    deploy: {replicas: 2}\n"
		"networks: {front: {name: real}}\n"
		"volumes: {data: {name: real-data, driver: local, driver_opts: {type: tmpfs}}}\n";
	autoclear(ConvertedList) list = {0};

	(void)state;
	convert(&list, yaml, "/srv");
	assert_int_equal(list.count, 2);
	check_text(written(&list.items[0]),
		"{\"name\":\"front-web\",\"image\":\"w\",\"restart\":\"no\",\"volumes\":[{\"type\":\"volume\","
		"\"source\":\"real-data\",\"target\":\"/"
		"d\",\"driver\":\"local\",\"driverOptions\":{\"type\":\"tmpfs\"}}"
		"],\"networks\":[{\"name\":\"real\"}]}");
	check_text(
		strings_join(&list.items[0].notes, "\n"), "network \"real\" must be there: kedge network create real");
	check_text(written(&list.items[1]),
		"{\"name\":\"db\",\"image\":\"d\",\"restart\":\"no\",\"dependsOn\":[{\"name\":\"front-web\","
		"\"condition\":\"started\"}]}");
	check_text(strings_join(&list.items[1].notes, "\n"),
		"services find each other by name on a network of their own: make one, and name it in \"networks\"\n"
		"\"build\" is left out: there is nothing of its kind\n\"profiles\" is left out: there is nothing of "
		"its "
		"kind\n\"deploy\": \"replicas\" is left out: there is nothing of its kind");
}

static void test_variables(void **state)
{
	autoclear(ConvertedList) list = {0};

	(void)state;
	convert(&list,
		"services: {web: {image: '${IMG:-x}', user: '$WHO', hostname: 'a${B-}c', command: ['$$x', 'a$$']}}",
		NULL);
	check_text(written(&list.items[0]), "{\"name\":\"web\",\"image\":\"x\",\"command\":[\"$x\",\"a$\"],"
					    "\"hostname\":\"ac\",\"restart\":\"no\"}");
	check_text(strings_join(&list.items[0].notes, "\n"),
		"variable \"IMG\" has its default\nvariable \"WHO\" is empty\nvariable \"B\" has its default");
}

static void test_what_is_left_out_of_dependencies(void **state)
{
	autoclear(ConvertedList) list = {0};

	(void)state;
	convert(&list,
		"services: {web: {image: x, network_mode: host, depends_on: {db: {restart: true, required: false}}}, "
		"db: {image: x, network_mode: none, deploy: {resources: {reservations: {cpus: '1', devices: "
		"[{capabilities: [tpu]}]}}}}}",
		NULL);
	check_text(strings_join(&list.items[0].notes, "\n"),
		"\"depends_on\": \"restart\" of \"db\" is left out: what runs goes on\n"
		"\"depends_on\": \"db\" must be there, though it is not required");
	check_text(strings_join(&list.items[1].notes, "\n"),
		"\"deploy\": a device with the capability \"tpu\" is left out\n"
		"\"deploy\": reserved \"cpus\" are left out: there is nothing of their kind");
}

/* One service that cannot be carried over leaves the others. */
static void test_problems(void **state)
{
	static const struct {
		const char *service, *problem;
	} rows[] = {
		{"{}", "field \"image\" is missing"},
		{"text", "service \"web\" must be an object"},
		{"{image: x, extends: y}", "\"extends\" is not possible: docker compose config writes it out"},
		{"{image: x, volumes: ['./a:/b']}", "path \"./a\" is relative, and the file's directory is not known"},
		{"{image: x, volumes: ['~/a:/b']}", "path \"~/a\" is of somebody's home: write it out"},
		{"{image: x, volumes: ['${NONE}:/b']}", "volume \":/b\" is not of the form SOURCE:TARGET[:MODE]"},
		{"{image: '${X:?say it}'}", "variable \"X\" must have a value"},
		{"{image: '${'}", "\"${\" is no variable"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(ConvertedList) list = {0};
		autofree char *yaml = NULL;
		assert_true(asprintf(&yaml, "services:\n  web: %s\n  good: {image: x}\n", rows[i].service) > 0);
		convert(&list, yaml, NULL);
		assert_int_equal(list.count, 2);
		assert_string_equal(list.items[0].problem, rows[i].problem);
		assert_null(list.items[1].problem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_restart_of_compose),
		cmocka_unit_test(test_whole_file),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_what_is_left_out_of_dependencies),
		cmocka_unit_test(test_problems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
