// SPDX-License-Identifier: Apache-2.0
/* --publish as it is typed, and the PORTS column of ps. */
#include "cli/port_list.h"
#include "cli/port_option.h"

#include "check.h"

/* "host|first-last|host first-host last|protocol" */
static void check_publish(const char *text, const char *expected)
{
	autoclear(PortWord) option = {0};

	check_ok(publish_option_parse(&option, text));
	check_text(string_printf("%s|%d-%d|%d-%d|%s", option.host, (int)option.first, (int)option.last,
			   (int)option.host_first, (int)option.host_last, option.protocol),
		expected);
}

static void publish(void **state)
{
	(void)state;
	check_publish("80", "|80-80|-1--1|tcp");
	check_publish("80/udp", "|80-80|-1--1|udp");
	check_publish("80/", "|80-80|-1--1|tcp");
	check_publish("8080:80/SCTP", "|80-80|8080-8080|sctp");
	check_publish("0:80", "|80-80|0-0|tcp");
	check_publish("192.0.2.7:8080:80", "192.0.2.7|80-80|8080-8080|tcp");
	check_publish("192.0.2.7::80", "192.0.2.7|80-80|-1--1|tcp");
	check_publish("[::1]:8080:80", "::1|80-80|8080-8080|tcp");
	check_publish("[2001:db8::7]::80-82/udp", "2001:db8::7|80-82|-1--1|udp");
	check_publish("::1:8080:80", "::1|80-80|8080-8080|tcp");
	check_publish("8080-8090:80", "|80-80|8080-8090|tcp");
	check_publish("8080-8082:80-82", "|80-82|8080-8082|tcp");
	check_publish("published=8080,target=80,protocol=udp", "|80-80|8080-8080|udp");
	check_publish("target=80", "|80-80|-1--1|tcp");
}

static void check_refused(const char *text, const char *reason)
{
	autoclear(PortWord) option = {0};
	autofree char *message = string_printf("option \"--publish\": \"%s\": %s", text, reason);

	check_invalid(publish_option_parse(&option, text), message);
}

static void refused(void **state)
{
	(void)state;
	check_refused("", "it names no port of the container");
	check_refused("80:", "it names no port of the container");
	check_refused("x", "\"x\" is not a whole number");
	check_refused("80-79", "79 is not between 80 and 65535");
	check_refused("65536", "65536 is not between 0 and 65535");
	check_refused("8080-8081:80-82", "the two ranges of ports are not equally long");
	check_refused("80/icmp", "\"icmp\" is none of tcp, udp and sctp");
	check_refused("host:80:80", "\"host\" is no address");
	check_refused("[192.0.2.7:80:80", "\"[192.0.2.7\" is no address");
	check_refused("published=80", "it names no port of the container");
	check_refused("published=80,target", "\"target\" is not of the form NAME=VALUE");
}

static void check_list(const char *json, const char *expected)
{
	autoptr(Value) ports = NULL;
	autoclear(Buffer) out = {0};

	check_ok(value_parse(&ports, json, strlen(json)));
	port_list_write(&out, ports);
	assert_string_equal(buffer_text(&out), expected);
}

#define PORT(ip, inside, outside, type)                                                                                \
	"{\"IP\":\"" ip "\",\"PrivatePort\":" #inside ",\"PublicPort\":" #outside ",\"Type\":\"" type "\"}"
#define EXPOSED(inside, type) "{\"PrivatePort\":" #inside ",\"Type\":\"" type "\"}"

/* What docker's own program makes of the same. */
static void list(void **state)
{
	(void)state;
	check_list("[]", "");
	check_list("[" EXPOSED(80, "tcp") "]", "80/tcp");
	check_list("[" EXPOSED(82, "tcp") "," EXPOSED(80, "tcp") "," EXPOSED(81, "tcp") "," EXPOSED(90, "tcp") "]",
		"80-82/tcp, 90/tcp");
	check_list("[" PORT("0.0.0.0", 80, 8080, "tcp") "," PORT("::", 80, 8080, "tcp") "]",
		"0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
	check_list("[" PORT("0.0.0.0", 80, 80, "tcp") "," PORT("0.0.0.0", 81, 81, "tcp") "," PORT(
			   "::", 80, 80, "tcp") "," PORT("::", 81, 81, "tcp") "]",
		"0.0.0.0:80-81->80-81/tcp, [::]:80-81->80-81/tcp");
	check_list("[" PORT("0.0.0.0", 9999, 9988, "udp") "," EXPOSED(6, "tcp") "," PORT(
			   "1.2.3.4", 6, 6, "udp") "," EXPOSED(7, "tcp") "," PORT("127.0.0.1", 100, 1100, "tcp") "]",
		"6-7/tcp, 1.2.3.4:6->6/udp, 127.0.0.1:1100->100/tcp, 0.0.0.0:9988->9999/udp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publish),
		cmocka_unit_test(refused),
		cmocka_unit_test(list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
