// SPDX-License-Identifier: Apache-2.0
#include "docker/credentials.h"

#include "check.h"

static void test_header(void **state)
{
	autoclear(ImageCredentials) credentials = {0};

	(void)state;
	check_ok(credentials_parse(&credentials, NULL));
	check_ok(credentials_parse(&credentials, ""));
	check_ok(credentials_parse(&credentials, "e30=")); /* {} */
	assert_null(credentials.username);
	/* {"username":"u","password":"p","identitytoken":"","serveraddress":"x"} */
	check_ok(credentials_parse(&credentials,
		"eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAiLCJpZGVudGl0eXRva2VuIjoiIiwic2VydmVyYWRkcmVzcyI6IngifQ=="));
	assert_string_equal(credentials.username, "u");
	assert_string_equal(credentials.password, "p");
	assert_null(credentials.identity_token);
}

static void test_auth_member(void **state)
{
	autoclear(ImageCredentials) credentials = {0};

	(void)state;
	check_ok(credentials_parse(&credentials, "eyJhdXRoIjoiZFRwd09uRT0ifQ==")); /* {"auth":"dTpwOnE="}, u:p:q */
	assert_string_equal(credentials.username, "u");
	assert_string_equal(credentials.password, "p:q");
}

static void test_refusals(void **state)
{
	autoclear(ImageCredentials) credentials = {0};

	(void)state;
	check_invalid(credentials_parse(&credentials, "!"), "header \"X-Registry-Auth\": invalid base64");
	check_invalid(credentials_parse(&credentials, "eyJ1c2VybmFtZSI6MX0="), /* {"username":1} */
		"header \"X-Registry-Auth\": field \"username\" must be a string, not a number");
	check_invalid(credentials_parse(&credentials, "eyJhdXRoIjoiZFE9PSJ9"), /* {"auth":"dQ=="} */
		"header \"X-Registry-Auth\": field \"auth\" has no colon between name and password");
	assert_null(credentials.username);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_auth_member),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
