// SPDX-License-Identifier: Apache-2.0
#include "websocket/text.h"

#include "base/strings.h"
#include "check.h"

/* In pieces of step bytes; each piece that comes out is a text of its own. */
static void check_steps(const char *bytes, size_t length, const char *expected, size_t step)
{
	autoclear(Buffer) all = {0};
	TextTail tail = {0};

	for (size_t at = 0; at < length; at += step) {
		autoclear(Buffer) piece = {0};
		text_add(&piece, &tail, bytes + at, length - at < step ? length - at : step);
		assert_true(string_is_utf8(buffer_text(&piece), piece.length));
		assert_true(tail.length <= TEXT_TAIL_MAX);
		buffer_add(&all, piece.data, piece.length);
	}
	text_end(&all, &tail);
	assert_int_equal(tail.length, 0);
	assert_string_equal(buffer_text(&all), expected);
}

static void check_pieces(const char *bytes, const char *expected)
{
	for (size_t step = 1; step <= strlen(bytes) + 1; step++)
		check_steps(bytes, strlen(bytes), expected, step);
}

static void test_characters_stay_whole(void **state)
{
	(void)state;
	check_pieces("", "");
	check_pieces("plain\n", "plain\n");
	check_pieces("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80.", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80.");
}

static void test_bytes_of_none_are_replaced(void **state)
{
	(void)state;
	check_pieces("a\xff\xfe"
		     "b",
		"a\xef\xbf\xbd\xef\xbf\xbd"
		"b");
	check_pieces("\xc3(", "\xef\xbf\xbd(");                               /* a beginning, and another character */
	check_pieces("\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* longer than need be */
	check_pieces("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* half of a pair */
	check_pieces("\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* the end comes first */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_stay_whole),
		cmocka_unit_test(test_bytes_of_none_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
