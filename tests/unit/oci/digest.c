// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"

#include "base/strings.h"
#include "check.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void parses(void **state)
{
	(void)state;
	Digest digest = {0}, longer = {0};
	char name[13];

	assert_false(digest_is_set(&digest));
	check_ok(digest_parse(&digest, "sha256:" HEX64));
	check_ok(digest_parse(&longer, "sha512:" HEX64 HEX64));
	assert_true(digest_is_set(&digest));
	assert_string_equal(digest_hex(&digest), HEX64);
	assert_string_equal(digest_short(name, &digest), "0123456789ab");
	assert_true(digest_equal(&digest, &digest));
	assert_false(digest_equal(&digest, &longer));
}

static void refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {"sha256:", "sha256:" HEX64 "0",
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "sha256:../../../etc/passwd",
		"sha512:" HEX64, "sha256:" HEX64 "\n"};
	Digest digest = {.text = "untouched"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		autofree char *message =
			string_printf("invalid digest \"%s\": %d hexadecimal digits in lower case must follow \"%.7s\"",
				bad[i], bad[i][3] == '5' ? 128 : 64, bad[i]);
		check_invalid(digest_parse(&digest, bad[i]), message);
	}
	check_invalid(digest_parse(&digest, "md5:00"),
		"invalid digest \"md5:00\": it must start with \"sha256:\" or \"sha512:\"");
	check_invalid(digest_parse(&digest, ""), "invalid digest \"\": it must start with \"sha256:\" or \"sha512:\"");
	assert_string_equal(digest.text, "untouched");
}

static void short_of_nothing_is_empty(void **state)
{
	(void)state;
	Digest digest = {0};
	char name[13] = "x";

	assert_string_equal(digest_short(name, &digest), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(short_of_nothing_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
