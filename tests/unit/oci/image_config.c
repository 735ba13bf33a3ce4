// SPDX-License-Identifier: Apache-2.0
#include "oci/image_config.h"

#include "check.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\"]}"

static void parses(void **state)
{
	(void)state;
	static const char text[] =
		"{\"created\":\"2024-01-01T00:00:00Z\",\"author\":\"me\",\"architecture\":\"arm\",\"os\":\"linux\","
		"\"variant\":\"v7\",\"config\":{"
		"\"User\":\"1000:1000\",\"WorkingDir\":\"/"
		"srv\",\"StopSignal\":\"SIGINT\",\"Env\":[\"A=1\",\"B=\"],\"Entrypoint\":[\"/init\"],"
		"\"Cmd\":\"sh\",\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":{\"/"
		"data\":{}},\"Labels\":{\"k\":\"v\"},\"Shell\":null,\"Memory\":5,"
		"\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],\"Interval\":5000000000,\"Retries\":2}}," ROOTFS
		",\"history\":[{\"created_by\":\"COPY\"},{\"created_by\":\"CMD\",\"empty_layer\":true}]}";
	autoclear(ImageConfig) config = {0};

	check_ok(image_config_parse(&config, text, strlen(text)));
	assert_string_equal(config.variant, "v7");
	assert_string_equal(config.config.user, "1000:1000");
	assert_string_equal(config.config.workdir, "/srv");
	assert_string_equal(config.config.stop_signal, "SIGINT");
	assert_int_equal(config.config.env.count, 2);
	assert_string_equal(config.config.entrypoint.items[0], "/init");
	assert_string_equal(config.config.command.items[0], "sh");
	assert_string_equal(config.config.exposed_ports.items[0], "80/tcp");
	assert_string_equal(config.config.volumes.items[0], "/data");
	assert_string_equal(map_get(&config.config.labels, "k"), "v");
	assert_string_equal(config.config.health->test.items[1], "true");
	assert_int_equal(config.config.health->interval_ns, INT64_C(5000000000));
	assert_string_equal(config.diff_ids.items[0], A);
	assert_int_equal(config.history.count, 2);
	assert_true(((HistoryEntry *)config.history.items)[1].empty_layer);
}

static void parses_the_least(void **state)
{
	(void)state;
	static const char *const texts[] = {"{" ROOTFS "}", "{\"config\":null,\"history\":null," ROOTFS "}",
		"{\"config\":{\"Env\":null,\"Healthcheck\":null}," ROOTFS "}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autoclear(ImageConfig) config = {0};
		check_ok(image_config_parse(&config, texts[i], strlen(texts[i])));
		assert_null(config.config.health);
	}
}

static void refuses(void **state)
{
	(void)state;
	static const char no_layers[] = "{\"os\":\"linux\"}";
	static const char bad_layer[] = "{\"rootfs\":{\"diff_ids\":[\"" A "\",\"x\"]}}";
	ImageConfig config = {0};

	check_invalid(image_config_parse(&config, no_layers, strlen(no_layers)),
		"image configuration: field \"rootfs\" is missing");
	check_invalid(image_config_parse(&config, bad_layer, strlen(bad_layer)),
		"image configuration: rootfs.diff_ids[1]: invalid digest \"x\": it must start with \"sha256:\" or "
		"\"sha512:\"");
	check_error(image_config_parse(&config, "", IMAGE_CONFIG_MAX + 1), ERROR_TOO_LARGE,
		"the image configuration is larger than 8388608 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(parses_the_least),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
