// SPDX-License-Identifier: Apache-2.0
#include "shim/relayed.h"

#include "base/memory.h"
#include "check.h"

static void words_and_back(void **state)
{
	static const uint16_t ports[] = {0, 80, 81, 82, 0, 443, 443, 65535, 0, 7, 9, 10};
	autoclear(StringList) words = {0};

	(void)state;
	relayed_write(&words, ports, COUNT(ports));
	autofree char *all = strings_join(&words, " ");
	assert_string_equal(all, "1-3:80 5:443 6:443 7:65535 9:7 10-11:9");
	for (size_t i = 0; i < words.count; i++) {
		Relayed relayed;
		check_ok(relayed_parse(&relayed, words.items[i], COUNT(ports)));
		for (size_t at = relayed.first; at <= relayed.last; at++)
			assert_int_equal(ports[at], relayed.port + (at - relayed.first));
	}
}

static void what_is_no_word(void **state)
{
	static const char *const wrong[] = {"", "0", ":80", "0:", "0:0", "0:65536", "0-1:65535", "1-0:80", "0-2:80",
		"2:80", "-1:80", "0-:80", "x:80", "0:80:80", "0: 80"};
	Relayed relayed = {.port = 7};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		Error *error = relayed_parse(&relayed, wrong[i], 2);
		assert_non_null(error);
		assert_non_null(strstr(error_message(error), "--relay-port \""));
		error_free(error);
	}
	check_error(relayed_parse(&relayed, "5", 2), ERROR_INVALID,
		"--relay-port \"5\": it is not of the form FIRST[-LAST]:PORT");
	assert_int_equal(relayed.port, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_back),
		cmocka_unit_test(what_is_no_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
