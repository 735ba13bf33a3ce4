// SPDX-License-Identifier: Apache-2.0
#include "telemetry/lookup.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "check.h"

static void check_address(const char *host, int family)
{
	const struct addrinfo *found = NULL;
	Lookup *lookup = NULL;

	check_ok(lookup_start(&lookup, host, "514", SOCK_STREAM));
	assert_true(lookup_is_done(lookup)); /* without waiting */
	check_ok(lookup_result(&found, lookup));
	assert_int_equal(found->ai_family, family);
	assert_int_equal(found->ai_socktype, SOCK_STREAM);
	assert_int_equal(ntohs(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_port), 514);
	lookup_free(lookup);
}

static void test_an_address_waits_for_nobody(void **state)
{
	(void)state;
	check_address("127.0.0.1", AF_INET);
	check_address("::1", AF_INET6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_address_waits_for_nobody)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
