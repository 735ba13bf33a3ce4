// SPDX-License-Identifier: Apache-2.0
#include "base/words.h"

#include "check.h"

static void test_ports(void **state)
{
	static const struct {
		const char *text, *host;
		int64_t host_first, host_last, first, last;
		const char *protocol;
	} rows[] = {
		{"80", "", -1, -1, 80, 80, "tcp"},
		{"8080:80", "", 8080, 8080, 80, 80, "tcp"},
		{"8080-8082:80-82/UDP", "", 8080, 8082, 80, 82, "udp"},
		{"127.0.0.1:8080:80/sctp", "127.0.0.1", 8080, 8080, 80, 80, "sctp"},
		{"[::1]:8080:80", "::1", 8080, 8080, 80, 80, "tcp"},
		{"127.0.0.1::80", "127.0.0.1", -1, -1, 80, 80, "tcp"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(PortWord) word = {0};
		check_ok(port_word_parse(&word, rows[i].text));
		assert_string_equal(word.host, rows[i].host);
		assert_int_equal(word.host_first, rows[i].host_first);
		assert_int_equal(word.host_last, rows[i].host_last);
		assert_int_equal(word.first, rows[i].first);
		assert_int_equal(word.last, rows[i].last);
		assert_string_equal(word.protocol, rows[i].protocol);
	}
}

static void test_bad_ports(void **state)
{
	PortWord word = {0};

	(void)state;
	check_invalid(port_word_parse(&word, "8080-8082:80-81"), "the two ranges of ports are not equally long");
	check_invalid(port_word_parse(&word, "8080:"), "it names no port of the container");
	check_invalid(port_word_parse(&word, "80/icmp"), "\"icmp\" is none of tcp, udp and sctp");
	check_invalid(port_word_parse(&word, "here:1:2"), "\"here\" is no address");
	assert_null(word.host);
}

static void test_devices(void **state)
{
	static const struct {
		const char *text, *path, *target, *permissions;
	} rows[] = {
		{"/dev/a", "/dev/a", "/dev/a", "rwm"},
		{"/dev/a:rw", "/dev/a", "/dev/a", "rw"},
		{"/dev/a:/dev/b", "/dev/a", "/dev/b", "rwm"},
		{"/dev/a:/dev/b:m", "/dev/a", "/dev/b", "m"},
	};
	DeviceWord bad = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(DeviceWord) word = {0};
		check_ok(device_word_parse(&word, rows[i].text));
		assert_string_equal(word.path, rows[i].path);
		assert_string_equal(word.target, rows[i].target);
		assert_string_equal(word.permissions, rows[i].permissions);
	}
	check_invalid(device_word_parse(&bad, "/dev/a:/dev/b:x"),
		"\"/dev/a:/dev/b:x\" is not of the form PATH[:TARGET[:rwm]]");
}

static void test_numbers(void **state)
{
	autofree char *name = NULL, *path = NULL, *host = NULL;
	int64_t soft, hard, rate;

	(void)state;
	check_ok(ulimit_word_parse(&name, &soft, &hard, "nofile=1024:2048"));
	assert_string_equal(name, "nofile");
	assert_int_equal(soft, 1024);
	assert_int_equal(hard, 2048);
	check_ok(rate_word_parse(&path, &rate, "/dev/sda:1mb", true));
	assert_string_equal(path, "/dev/sda");
	assert_int_equal(rate, 1 << 20);
	check_ok(host_word_parse(&host, "v6=[::1]"));
	assert_string_equal(host, "v6:::1");
	check_invalid(ulimit_word_parse(&name, &soft, &hard, "nofile=2:1"),
		"\"nofile=2:1\": the soft limit is higher than the hard one");
	check_invalid(rate_word_parse(&path, &rate, "sda:1", true), "\"sda:1\" is not of the form PATH:NUMBER");
	check_invalid(host_word_parse(&host, "name"), "\"name\" is not of the form NAME:ADDRESS");
}

static void test_lines(void **state)
{
	static const struct {
		const char *line, *words; /* joined by '|' */
	} rows[] = {
		{"", ""},
		{"  sleep   60 ", "sleep|60"},
		{"sh -c 'echo \"a b\"; exit'", "sh|-c|echo \"a b\"; exit"},
		{"a\\ b \"c\\\"d\" '' x'y'z", "a b|c\"d||xyz"},
	};
	autoclear(StringList) words = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_ok(words_split(&words, rows[i].line));
		check_text(strings_join(&words, "|"), rows[i].words);
	}
	check_invalid(words_split(&words, "a 'b"), "a quote is not closed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
