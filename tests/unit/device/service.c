// SPDX-License-Identifier: Apache-2.0
#include "device/service.h"

#include "check.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *written(const Service *service)
{
	autoptr(Value) value = service_value(service);
	autoclear(Buffer) text = {0};

	value_write(value, &text);
	return buffer_steal(&text);
}

static void read_into(Service *ret, const char *text)
{
	service_init(ret);
	check_ok(service_parse(ret, text, strlen(text)));
}

static void test_own_form(void **state)
{
	static const char text[] = "enabled: false\nengine: {url: 'unix:///run/podman/podman.sock'}\n"
				   "enforcement: {enabled: true, allowlist: ['" DIGEST "']}\n";
	autoclear(Service) service, again;

	(void)state;
	read_into(&service, text);
	assert_false(service.enabled);
	assert_string_equal(service.engine_url, "unix:///run/podman/podman.sock");
	assert_true(service.enforcement.is_enabled);
	assert_int_equal(service.enforcement.allowlist.count, 1);
	autofree char *canonical = written(&service);
	read_into(&again, canonical);
	assert_true(service_equal(&service, &again));
}

static void test_nothing_is_said(void **state)
{
	static const char *const texts[] = {"", "{}", "# nothing\n", "engine: {url: ''}\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autoclear(Service) service;
		read_into(&service, texts[i]);
		assert_true(service.enabled);
		assert_null(service.engine_url);
		assert_false(service.enforcement.is_enabled);
	}
}

/* Source: Kura's ContainerOrchestrationServiceOptionsTest: each property, and its default. */
static void test_kura(void **state)
{
	autoclear(Service) service, without;

	(void)state;
	read_into(&service, "enabled: true\ncontainer.engine.host: tcp://192.0.2.1:2375\nenforcement.enabled: true\n"
			    "enforcement.allowlist: |\n  " DIGEST "\n\n  x@" DIGEST "\n");
	assert_true(service.enabled);
	assert_string_equal(service.engine_url, "tcp://192.0.2.1:2375");
	assert_true(service.enforcement.is_enabled);
	assert_int_equal(service.enforcement.allowlist.count, 1);
	read_into(&without, "enforcement.enabled: false\n");
	assert_false(without.enabled);
	assert_null(without.engine_url);
	assert_false(without.enforcement.is_enabled);
	read_into(
		&without, "{\"pid\": \"x\", \"properties\": {\"enabled\": {\"type\": \"BOOLEAN\", \"value\": true}}}");
	assert_true(without.enabled);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"enable: true", "field \"enable\" is unknown"},
		{"enabled: 1", "field \"enabled\" must be a boolean, not a number"},
		{"engine: {url: 'http://x'}",
			"field \"engine.url\": \"http://x\" is neither unix:///PATH nor tcp://HOST:PORT"},
		{"container.engine.host: x",
			"property \"container.engine.host\": \"x\" is neither unix:///PATH nor tcp://HOST:PORT"},
		{"enforcement.enabled: 3",
			"property \"enforcement.enabled\" must be true or false, not of type number"},
		{"enforcement.enabled: true\nenforcement.list: x", "property \"enforcement.list\" is unknown"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(Service) service;
		service_init(&service);
		check_invalid(service_parse(&service, rows[i].text, strlen(rows[i].text)), rows[i].message);
		assert_true(service.enabled);
	}
}

static void test_bad_digest_is_named(void **state)
{
	autoclear(Service) service;
	Error *error;

	(void)state;
	service_init(&service);
	error = service_parse(&service, "enforcement.allowlist: sha256:12\n", 33);
	assert_non_null(error);
	assert_non_null(strstr(error_message(error), "property \"enforcement.allowlist\""));
	assert_non_null(strstr(error_message(error), "sha256:12"));
	error_free(error);
}

/* As many digests as an allow-list may have, in a file of their size. */
static void test_long_list(void **state)
{
	enum { ENTRIES = 65536 };
	autoclear(Service) service;
	autoclear(Buffer) text = {0};

	(void)state;
	buffer_add_text(&text, "enforcement:\n  enabled: true\n  allowlist: |\n");
	for (int i = 0; i < ENTRIES; i++)
		buffer_printf(&text, "    registry.example/some/name@sha256:%064x\n", i);
	read_into(&service, buffer_text(&text));
	assert_int_equal(service.enforcement.allowlist.count, 1);
	check_ok(service_parse(&service, buffer_text(&text), text.length));
	autofree char *large = calloc(1, SERVICE_MAX + 2);
	memset(large, ' ', SERVICE_MAX + 1);
	check_error(service_parse(&service, large, SERVICE_MAX + 1), ERROR_TOO_LARGE,
		"YAML text is larger than 8388608 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_form),
		cmocka_unit_test(test_nothing_is_said),
		cmocka_unit_test(test_kura),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bad_digest_is_named),
		cmocka_unit_test(test_long_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
