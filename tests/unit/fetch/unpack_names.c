// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "fetch/unpack/names.h"

static void test_clean(void **state)
{
	static const struct {
		const char *name, *clean;
	} cases[] = {
		{"a", "a"},
		{"", ""},
		{".", ""},
		{"./", ""},
		{"/", ""},
		{"/a//b/", "a/b"},
		{"a/./b/../c", "a/c"},
		{"a/..", ""},
		{"a/b/../../c", "c"},
		{"...", "..."},
		{".a/..b/c..", ".a/..b/c.."},
		{"\xff/\n", "\xff/\n"},
	};
	char clean[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		check_ok(name_clean(clean, cases[i].name, 8));
		assert_string_equal(clean, cases[i].clean);
	}
}

static void test_refused(void **state)
{
	char clean[PATH_MAX], part[NAME_MAX + 2], path[PATH_MAX + 1];

	(void)state;
	check_invalid(name_clean(clean, "..", 8), "the name leads out of the archive");
	check_invalid(name_clean(clean, "a/../../b", 8), "the name leads out of the archive");
	check_invalid(name_clean(clean, "/../a", 8), "the name leads out of the archive");
	check_error(name_clean(clean, "a/b/c", 2), ERROR_TOO_LARGE, "the name is more than 2 directories deep");
	memset(part, 'n', sizeof part);
	part[NAME_MAX + 1] = '\0';
	check_invalid(name_clean(clean, part, 8), "a part of the name is longer than 255 bytes");
	memset(path, 'n', sizeof path);
	for (size_t i = 200; i < sizeof path; i += 200)
		path[i] = '/';
	path[PATH_MAX] = '\0';
	check_invalid(name_clean(clean, path, 1000), "the name is longer than 4095 bytes");
	path[PATH_MAX - 1] = '\0';
	check_ok(name_clean(clean, path, 1000));
	assert_int_equal(strlen(clean), PATH_MAX - 1);
}

static void test_base(void **state)
{
	(void)state;
	assert_string_equal(name_base("a/b/c"), "c");
	assert_string_equal(name_base("a"), "a");
	assert_string_equal(name_base(""), "");
}

static void test_show(void **state)
{
	char shown[NAME_SHOWN_MAX], name[1001];

	(void)state;
	assert_string_equal(name_show(shown, "a\n\"\x7f\xff"), "a\\012\\042\\177\xff");
	memset(name, 'a', 500);
	memset(name + 500, 'z', 500);
	name[1000] = '\0';
	name_show(shown, name);
	assert_int_equal(strlen(shown), 128 + 3 + 32);
	assert_memory_equal(shown + 126, "aa...zz", 7);
	memset(name, '\1', 1000);
	assert_true(strlen(name_show(shown, name)) < NAME_SHOWN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_show),
	};

	return cmocka_run_group_tests_name("unpack-names", tests, NULL, NULL);
}
