// SPDX-License-Identifier: Apache-2.0
#include "external/address.h"

#include "base/memory.h"
#include "check.h"

static void good_addresses(void **state)
{
	static const char *const urls[] = {
		"unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://127.1.2.3:1", "tcp://[::1]:65535"};
	ExternalAddress address;

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++)
		check_ok(external_address_parse(&address, urls[i]));
	check_ok(external_address_parse(&address, urls[0]));
	assert_string_equal(external_address_path(&address), "/run/docker.sock");
	check_ok(external_address_parse(&address, urls[1]));
	assert_null(external_address_path(&address));
}

static void bad_addresses(void **state)
{
	static const struct {
		const char *url, *message;
	} bad[] = {
		{"", "\"\" is neither unix:///PATH nor tcp://ADDRESS:PORT"},
		{"unix://run", "\"unix://run\" is neither unix:///PATH nor tcp://ADDRESS:PORT"},
		{"http://127.0.0.1:1", "\"http://127.0.0.1:1\" is neither unix:///PATH nor tcp://ADDRESS:PORT"},
		{"tcp://127.0.0.1", "\"tcp://127.0.0.1\" has no port"},
		{"tcp://192.0.2.1:2375", "\"tcp://192.0.2.1:2375\" is not on this device"},
		{"tcp://0.0.0.0:2375", "\"tcp://0.0.0.0:2375\" is not on this device"},
		{"tcp://[2001:db8::1]:2375", "\"tcp://[2001:db8::1]:2375\" is not on this device"},
		{"tcp://localhost:2375", "\"tcp://localhost:2375\" is not on this device"},
		{"tcp://:2375", "\"tcp://:2375\" is not on this device"},
		{"tcp://[]:2375", "\"tcp://[]:2375\" is not on this device"},
	};
	ExternalAddress address;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check_error(external_address_parse(&address, bad[i].url), ERROR_INVALID, bad[i].message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_addresses),
		cmocka_unit_test(bad_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
