// SPDX-License-Identifier: Apache-2.0
#include "device/kanto.h"

#include "check.h"
#include "device/document.h"

/* Canonical form of a manifest, or what is wrong with it. */
static Error *read_text(char **ret, StringList *notes, const char *json)
{
	autoclear(Declaration) declaration;
	autoclear(Buffer) text = {0};
	autofree char *sealed = NULL;

	declaration_init(&declaration);
	TRY(document_parse(&declaration, notes, &sealed, NULL, json, strlen(json), "file"));
	autoptr(Value) value = declaration_value(&declaration);
	value_write(value, &text);
	*ret = buffer_steal(&text);
	return NULL;
}

static void check_manifest(const char *json, const char *expected, const char *note)
{
	autoclear(StringList) notes = {0};
	autofree char *text = NULL;

	check_ok(read_text(&text, &notes, json));
	assert_string_equal(text, expected);
	if (!note)
		assert_int_equal(notes.count, 0);
	else
		check_text(strings_join(&notes, "\n"), note);
}

static void test_least(void **state)
{
	(void)state;
	check_manifest("{\"image\":{\"name\":\"reg.local/db:1\"}}",
		"{\"name\":\"file\",\"image\":\"reg.local/"
		"db:1\",\"hostname\":\"file-host\",\"domainName\":\"file-domain\"}",
		NULL);
}

#define OWNED                                                                                                          \
	"\"network_settings\":{\"networks\":{\"bridge\":{\"id\":\"x\"}}},\"state\":{\"status\":2,\"pid\":1},"          \
	"\"created\":\"2024\",\"restart_count\":1,\"manually_stopped\":true"

static void test_whole(void **state)
{
	(void)state;
	check_manifest("{\"container_id\":\"id\",\"container_name\":\"web\",\"image\":{\"name\":\"r/x:1\"},"
		       "\"host_name\":\"h\",\"domain_name\":\"d\",\"mount_points\":[{\"source\":\"/a\","
		       "\"destination\":\"/b\",\"propagation_mode\":\"rslave\"}],\"hooks\":null,"
		       "\"config\":{\"env\":[\"A=1\",\"B\"],\"cmd\":[\"run\",\"x\"]},"
		       "\"host_config\":{\"devices\":[{\"path_on_host\":\"/dev/null\",\"path_in_container\":\"/dev/n\","
		       "\"cgroup_permissions\":\"r\"}],\"network_mode\":\"bridge\",\"privileged\":false,"
		       "\"restart_policy\":{\"type\":\"on-failure\",\"maximum_retry_count\":3},"
		       "\"runtime\":\"io.containerd.runc.v2\",\"extra_hosts\":[\"a:192.0.2.1\"],"
		       "\"extra_capabilities\":[\"CAP_NET_ADMIN\"],\"port_mappings\":[{\"proto\":\"udp\","
		       "\"container_port\":80,\"host_ip\":\"127.0.0.1\",\"host_port\":8080,\"host_port_end\":8082}],"
		       "\"log_config\":{\"driver_config\":{\"type\":\"json-file\",\"max_files\":2,\"max_size\":\"1M\"},"
		       "\"mode_config\":{\"mode\":\"blocking\"}},\"resources\":{\"memory\":\"200M\","
		       "\"memory_swap\":\"-1\"}},\"io_config\":{\"tty\":true,\"open_stdin\":true}," OWNED "}",
		"{\"name\":\"web\",\"image\":\"r/x:1\",\"command\":[\"run\",\"x\"],\"environment\":[\"A=1\",\"B\"],"
		"\"hostname\":\"h\",\"domainName\":\"d\",\"tty\":true,\"stdinOpen\":true,\"restart\":\"on-failure\","
		"\"restartRetries\":3,\"logging\":{\"driver\":\"json-file\",\"options\":{\"max-file\":\"2\","
		"\"max-size\":\"1M\"}},\"volumes\":[{\"type\":\"bind\",\"source\":\"/a\",\"target\":\"/b\","
		"\"propagation\":\"rslave\"}],\"ports\":[{\"container\":80,\"protocol\":\"udp\",\"address\":"
		"\"127.0.0.1\",\"host\":8080,\"hostEnd\":8082}],\"networkMode\":\"bridge\","
		"\"extraHosts\":[\"a:192.0.2.1\"],\"capAdd\":[\"CAP_NET_ADMIN\"],"
		"\"devices\":[{\"path\":\"/dev/null\",\"target\":\"/dev/n\",\"permissions\":\"r\"}],"
		"\"memory\":\"200m\",\"memorySwap\":-1}",
		NULL);
}

/* As kanto-auto-deployer has it. */
static void test_leda_spelling(void **state)
{
	(void)state;
	check_manifest("{\"id\":\"databroker\",\"name\":\"databroker\",\"image\":{\"name\":\"r/databroker:0.3\"},"
		       "\"mounts\":[{\"source\":\"/a\",\"destination\":\"/b\",\"propagation_mode\":\"rprivate\"}],"
		       "\"host_config\":{\"port_mappings\":[{\"protocol\":\"tcp\",\"container_port\":55555,"
		       "\"host_ip\":\"localhost\",\"host_port\":30555,\"host_port_end\":30555}],"
		       "\"network_mode\":\"host\"},\"state\":{\"oom_killed\":false,\"status\":\"Running\"}}",
		"{\"name\":\"databroker\",\"image\":\"r/databroker:0.3\",\"volumes\":[{\"type\":\"bind\","
		"\"source\":\"/a\",\"target\":\"/b\"}],\"ports\":[{\"container\":55555,\"protocol\":\"tcp\","
		"\"host\":30555}],\"networkMode\":\"host\"}",
		"field \"host_config.port_mappings\": \"localhost\" is no address: every one of the host is meant");
}

/* Words in the place of addresses: the host's, and another container's, which is known by its host name. */
static void test_extra_hosts(void **state)
{
	(void)state;
	check_manifest("{\"container_name\":\"web\",\"image\":{\"name\":\"x\"},\"host_config\":{\"extra_hosts\":["
		       "\"itself:container_web-host\",\"mosquitto:host_ip\","
		       "\"db:container_databroker-host\",\"a:192.0.2.1\",\"b:host_ip_eth0\",\"c:container_other\"]}}",
		"{\"name\":\"web\",\"image\":\"x\",\"hostname\":\"web-host\",\"domainName\":\"web-domain\","
		"\"links\":[\"databroker:db\"],\"extraHosts\":[\"mosquitto:host-gateway\",\"a:192.0.2.1\"],"
		"\"dependsOn\":[{\"name\":\"databroker\",\"condition\":\"started\"}]}",
		"field \"host_config.extra_hosts\": \"b:host_ip_eth0\" is left out: there is nothing of its kind\n"
		"field \"host_config.extra_hosts\": \"c:container_other\" is left out: there is nothing of its kind");
}

static void test_notes(void **state)
{
	(void)state;
	check_manifest(
		"{\"Image\":{\"Name\":\"x\",\"decrypt_config\":{\"keys\":[\"k\"]}},\"hooks\":[{\"path\":\"/h\"}],"
		"\"host_config\":{\"network_mode\":\"host\",\"restart_policy\":{\"retry_timeout\":30000000000}}}",
		"{\"name\":\"file\",\"image\":\"x\",\"networkMode\":\"host\"}",
		"field \"host_config.restart_policy.retry_timeout\" is left out: the time between two starts is "
		"kedge's "
		"own\nfield \"hooks\" is left out: there is nothing of its kind\n"
		"field \"image\": \"decrypt_config\" is left out: there is nothing of its kind");
}

static void test_errors(void **state)
{
	static const struct {
		const char *json, *message;
	} rows[] = {
		{"{\"image\":{}}", "field \"image.name\" is missing"},
		{"{\"image\":{\"name\":\"x\"},\"host_config\":{\"restart_policy\":{\"type\":\"maybe\"}}}",
			"field \"host_config.restart_policy.type\" must be one of \"no\", \"on-failure\", \"always\", "
			"\"unless-stopped\", not \"maybe\""},
		{"{\"image\":{\"name\":\"x\"},\"mount_points\":[{\"source\":\"a\",\"destination\":\"/b\"}]}",
			"field \"mount_points[0]\": field \"source\": \"a\" must be an absolute path"},
		{"{\"image\":{\"name\":\"x\"},\"host_config\":{\"port_mappings\":[{\"container_port\":\"80\"}]}}",
			"field \"host_config.port_mappings[0].container\" must be a number, not a string"},
		{"{\"image\":{\"name\":\"x\"},\"host_config\":{\"resources\":{\"memory\":\"1k\"}}}",
			"field \"host_config.resources.memory\" must be at least 6 MiB"},
		{"{\"image\":{\"name\":\"x\"},\"container_name\":\"_\"}",
			"field \"container_name\": \"_\" is no container's name: [a-zA-Z0-9][a-zA-Z0-9_.-], 2 to 128 "
			"characters"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autofree char *text = NULL;
		check_invalid(read_text(&text, &(StringList){0}, rows[i].json), rows[i].message);
	}
}

static void test_form_is_told(void **state)
{
	static const struct {
		const char *json;
		DocumentForm form;
	} rows[] = {
		{"{\"image\":\"x\"}", DOCUMENT_KEDGE},
		{"{}", DOCUMENT_KEDGE},
		{"[]", DOCUMENT_KEDGE},
		{"{\"image\":{\"name\":\"x\"}}", DOCUMENT_KANTO},
		{"{\"Image\":{\"name\":\"x\"}}", DOCUMENT_KANTO},
		{"{\"container.image\":\"x\"}", DOCUMENT_KURA},
		{"{\"pid\":\"x\",\"properties\":{\"container.image\":\"x\"}}", DOCUMENT_KURA},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoptr(Value) document = NULL;
		check_ok(value_parse(&document, rows[i].json, strlen(rows[i].json)));
		assert_int_equal(document_form(document), rows[i].form);
	}
}

/* A password in the clear is sealed in the form that the file has. */
static void test_sealed_in_place(void **state)
{
	static const char *const texts[] = {"image: x\nregistry: {username: u, password: s3cret}\n",
		"{\"image\":\"x\",\"registry\":{\"username\":\"u\",\"password\":\"s3cret\"}}",
		"container.image: x\nregistry.username: u\nregistry.password: s3cret\n"};
	autofree char *path = NULL;
	autoptr(SealKey) key = NULL;

	assert_true(asprintf(&path, "%s/key", (char *)*state) > 0);
	check_ok(seal_key_open(&key, path));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autoclear(Declaration) declaration, again;
		autoclear(StringList) notes = {0};
		autofree char *text = NULL, *none = NULL, *password = NULL;
		declaration_init(&declaration);
		declaration_init(&again);
		check_ok(document_parse(&declaration, &notes, &text, key, texts[i], strlen(texts[i]), "web"));
		assert_non_null(text);
		assert_null(strstr(text, "s3cret"));
		assert_int_equal(text[0], texts[i][0]);
		check_ok(document_parse(&again, &notes, &none, key, text, strlen(text), "web"));
		assert_null(none);
		check_ok(seal_open(&password, key, again.registry.sealed));
		assert_string_equal(password, "s3cret");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_leda_spelling),
		cmocka_unit_test(test_extra_hosts),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_form_is_told),
		directory_test(test_sealed_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
