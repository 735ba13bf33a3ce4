// SPDX-License-Identifier: Apache-2.0
#include "tls/address.h"

#include "base/memory.h"
#include "base/strings.h"
#include "check.h"

static void reads(const char *text, const char *expected)
{
	TcpAddress address;
	char shown[TCP_ADDRESS_TEXT_MAX];

	check_ok(tcp_address_parse(&address, text));
	tcp_address_text(shown, &address);
	assert_string_equal(shown, expected);
}

static void test_read(void **state)
{
	(void)state;
	reads("127.0.0.1:2376", "127.0.0.1:2376");
	reads("0.0.0.0:1", "0.0.0.0:1");
	reads("[::1]:65535", "[::1]:65535");
	reads("[::]:80", "[::]:80");
	reads("[fe80:0:0:0::1]:80", "[fe80::1]:80");
}

static void test_refuse(void **state)
{
	static const char *const without_address[] = {"localhost:1", ":2376", "[]:1", "[127.0.0.1]:1", "::1:80",
		"[::1:80", "1.2.3:4", "[1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6]:1", " 1.2.3.4:5"};
	TcpAddress address;

	(void)state;
	check_invalid(tcp_address_parse(&address, "127.0.0.1"), "\"127.0.0.1\" is not of the form ADDRESS:PORT");
	for (size_t i = 0; i < COUNT(without_address); i++) {
		autofree char *expected = string_printf("\"%s\" has no address before its port", without_address[i]);
		check_invalid(tcp_address_parse(&address, without_address[i]), expected);
	}
	for (size_t i = 0; i < 4; i++) {
		static const char *const ports[] = {"0", "65536", "-1", "x"};
		autofree char *text = string_printf("127.0.0.1:%s", ports[i]);
		Error *error = tcp_address_parse(&address, text);
		assert_non_null(error);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		error_free(error);
	}
}

static void test_listen(void **state)
{
	TcpAddress address, found;
	autofd fd = -1, pair = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	check_ok(tcp_address_parse(&address, "192.0.2.1:2376")); /* none of this machine's: it may come later */
	check_ok(tcp_address_listen(&fd, &address));
	assert_true(tcp_address_of_listener(&found, fd));
	assert_true(tcp_address_equal(&found, &address));
	assert_false(tcp_address_of_listener(&found, pair));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
