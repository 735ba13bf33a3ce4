// SPDX-License-Identifier: Apache-2.0
#include "cni/network.h"

#include "check.h"

static Error *parse(CniNetwork **ret, const char *text)
{
	return cni_network_parse(ret, "file", text, strlen(text));
}

static void test_list(void **state)
{
	autoptr(CniNetwork) network = NULL;

	(void)state;
	check_ok(parse(&network,
		"{\"cniVersion\": \"1.0.0\", \"name\": \"edge-1\", \"disableCheck\": \"true\", \"plugins\": ["
		"{\"type\": \"bridge\"}, {\"type\": \"portmap\", \"capabilities\": {\"portMappings\": true, "
		"\"ips\": false}}]}"));
	assert_string_equal(network->name, "edge-1");
	assert_int_equal(network->plugin_count, 2);
	assert_true(network->disables_check && cni_network_has_check(network));
	assert_string_equal(cni_network_type(network, 1), "portmap");
	assert_true(cni_network_can(network, "portMappings"));
	assert_false(cni_network_can(network, "ips") || cni_network_can(network, "mac"));
}

static void test_one_plugin(void **state)
{
	autoptr(CniNetwork) network = NULL;

	(void)state;
	check_ok(parse(&network,
		"{\"cniVersion\": \"0.3.1\", \"name\": \"lan\", \"type\": \"macvlan\", \"master\": \"eth0\"}"));
	assert_int_equal(network->plugin_count, 1);
	assert_false(network->disables_check || cni_network_has_check(network));
	assert_string_equal(value_string(value_get(cni_network_plugin(network, 0), "master")), "eth0");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"[]", "configuration must be an object"},
		{"{\"name\": \"a\", \"type\": \"b\"}", "field \"cniVersion\" is missing"},
		{"{\"cniVersion\": \"1.0.0\", \"type\": \"b\"}", "field \"name\" is missing"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\"}", "plugins[0]: field \"type\" is missing"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"plugins\": []}", "field \"plugins\" is empty"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"plugins\": {}}",
			"field \"plugins\" must be an array, not an object"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"plugins\": [{\"type\": \"b\"}, {\"type\": 1}]}",
			"field \"plugins[1].type\" must be a string, not a number"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"plugins\": [{\"type\": \"../b\"}]}",
			"field \"plugins[0].type\": \"../b\" is not the name of a plugin"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"-a\", \"type\": \"b\"}",
			"field \"name\": \"-a\" is not a name: letters and digits, and behind the first _ . -"},
		{"{\"cniVersion\": \"0.2.0\", \"name\": \"a\", \"type\": \"b\"}",
			"field \"cniVersion\": \"0.2.0\" is none of 0.3.0, 0.3.1, 0.4.0, 1.0.0"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"type\": \"b\", \"capabilities\": []}",
			"field \"plugins[0].capabilities\" must be an object"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"type\": \"b\", \"capabilities\": {\"ips\": 1}}",
			"field \"plugins[0].capabilities.ips\" must be a boolean"},
		{"{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"disableCheck\": \"no\", \"plugins\": [{\"type\": "
		 "\"b\"}]}",
			"field \"disableCheck\" must be a boolean"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CniNetwork *network = NULL;
		check_invalid(parse(&network, rows[i].text), rows[i].message);
		assert_null(network);
	}
}

static void test_too_many_plugins(void **state)
{
	autoclear(Buffer) text = {0};
	autoptr(CniNetwork) network = NULL;

	(void)state;
	buffer_add_text(&text, "{\"cniVersion\": \"1.0.0\", \"name\": \"a\", \"plugins\": [{\"type\": \"b\"}");
	for (int i = 0; i < CNI_PLUGINS_MAX; i++)
		buffer_add_text(&text, ", {\"type\": \"b\"}");
	buffer_add_text(&text, "]}");
	check_invalid(parse(&network, buffer_text(&text)), "field \"plugins\" has more than 16 items");
}

static void test_no_directory(void **state)
{
	autofree char *path = path_join(*state, "absent");
	autoclear(CniNetworks) networks = {0};

	check_ok(cni_networks_read(&networks, path));
	assert_int_equal(networks.count + networks.problems.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_one_plugin),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many_plugins),
		directory_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
