// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include "check.h"

/* RFC 4648, section 10 */
static const char *const pairs[][2] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

static void both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		autoclear(Buffer) text = {0}, data = {0};
		base64_encode(&text, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(buffer_text(&text), pairs[i][1]);
		assert_true(base64_decode(&data, text.data, text.length));
		assert_string_equal(buffer_text(&data), pairs[i][0]);
	}
}

static void both_alphabets(void **state)
{
	autoclear(Buffer) plain = {0}, url = {0}, data = {0};

	(void)state;
	base64_encode(&plain, "\xfb\xff\xfe", 3);
	base64_encode_url(&url, "\xfb\xff\xfe", 3);
	assert_string_equal(buffer_text(&plain), "+//+");
	assert_string_equal(buffer_text(&url), "-__-");
	assert_true(base64_decode(&data, "+__+", 4));
	assert_memory_equal(data.data, "\xfb\xff\xfe", 3);
}

static void padding_may_be_absent(void **state)
{
	autoclear(Buffer) data = {0};

	(void)state;
	assert_true(base64_decode(&data, "Zm8", 3));
	assert_string_equal(buffer_text(&data), "fo");
}

static void refused(void **state)
{
	static const char *const texts[] = {"Z", "Zm9v Zg", "Zm9vY", "Z===", "Zm9v\n", "\xc3\xa4"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autoclear(Buffer) data = {0};
		buffer_add_text(&data, "kept");
		assert_false(base64_decode(&data, texts[i], strlen(texts[i])));
		assert_string_equal(buffer_text(&data), "kept");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(both_alphabets),
		cmocka_unit_test(padding_may_be_absent),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
