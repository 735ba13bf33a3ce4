// SPDX-License-Identifier: Apache-2.0
#include "cni/result.h"

#include "check.h"

static const char in_1_0[] =
	"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"cni0\",\"mac\":\"02:00:00:00:00:01\"},"
	"{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\",\"sandbox\":\"/run/n\"}],"
	"\"ips\":[{\"address\":\"10.1.0.5/16\",\"gateway\":\"10.1.0.1\",\"interface\":1},{\"address\":\"fd00::5/64\"}],"
	"\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"10.2.0.0/16\",\"gw\":\"10.1.0.9\"}],"
	"\"dns\":{\"nameservers\":[\"10.1.0.1\"],\"domain\":\"d\",\"search\":[\"s\"],\"options\":[\"o\"]}}";

static void read_text(CniResult *result, const char *text)
{
	check_ok(cni_result_parse(result, text, strlen(text)));
}

static void test_members(void **state)
{
	autoclear(CniResult) result = {0};

	(void)state;
	read_text(&result, in_1_0);
	const CniAddress *addresses = result.addresses.items;
	const CniRoute *routes = result.routes.items;
	assert_int_equal(result.addresses.count, 2);
	assert_string_equal(addresses[0].gateway, "10.1.0.1");
	assert_int_equal(addresses[0].interface, 1);
	assert_int_equal(addresses[1].interface, -1);
	assert_string_equal(routes[1].gateway, "10.1.0.9");
	assert_string_equal(result.dns.servers.items[0], "10.1.0.1");
	assert_string_equal(cni_result_mac(&result, "eth0"), "02:00:00:00:00:02");
	assert_null(cni_result_mac(&result, "cni0")); /* on the host */
	assert_true(cni_result_has_address(&result, "10.1.0.5") && cni_result_has_address(&result, "fd00:0::5"));
	assert_false(cni_result_has_address(&result, "10.1.0.1"));
}

static void test_versions_of_results(void **state)
{
	autoclear(CniResult) result = {0};
	autoclear(Buffer) older = {0}, again = {0};

	(void)state;
	read_text(&result, in_1_0);
	autoptr(Value) in_0_4 = cni_result_as(result.document, "0.4.0");
	value_write(value_get(in_0_4, "ips"), &older);
	assert_string_equal(buffer_text(&older),
		"[{\"version\":\"4\",\"address\":\"10.1.0.5/16\",\"gateway\":\"10.1.0.1\",\"interface\":1},"
		"{\"version\":\"6\",\"address\":\"fd00::5/64\"}]");
	autoptr(Value) back = cni_result_as(in_0_4, "1.0.0");
	value_write(back, &again);
	assert_string_equal(buffer_text(&again), in_1_0);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *message;
		ErrorKind kind;
	} rows[] = {
		{"{\"code\": 7, \"msg\": \"no\", \"details\": \"why\"}", "no: why", ERROR_INTERNAL},
		{"{\"cniVersion\": \"1.0.0\", \"code\": 11, \"msg\": \"later\"}", "later", ERROR_UNAVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_error(cni_error_parse(rows[i].text, strlen(rows[i].text)), rows[i].kind, rows[i].message);
	assert_null(cni_error_parse("{", 1));
	assert_null(cni_error_parse("{}", 2));
	assert_null(cni_error_parse("[1]", 3));
}

static void test_versions(void **state)
{
	static const char answer[] = "{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"0.4.0\", \"1.0.0\"]}";
	autofree char *versions = NULL, *none = NULL;
	bool has = false;

	(void)state;
	check_ok(cni_versions_parse(&has, &versions, answer, strlen(answer), "0.4.0"));
	assert_true(has);
	assert_string_equal(versions, "0.4.0, 1.0.0");
	check_invalid(cni_versions_parse(&has, &none, "{}", 2, "0.4.0"),
		"answer to VERSION: field \"supportedVersions\" is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_versions_of_results),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
