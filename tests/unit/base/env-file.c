// SPDX-License-Identifier: Apache-2.0
#include "base/env_file.h"

#include "check.h"

static void check_words(const char *text, bool takes_ours, const char *expected)
{
	autoclear(StringList) words = {0};

	check_ok(env_file_parse(&words, "f", text, strlen(text), takes_ours));
	check_text(strings_join(&words, "|"), expected);
}

static void check_refused(const char *text, size_t length, const char *message)
{
	autoclear(StringList) words = {0};

	check_invalid(env_file_parse(&words, "f", text, length, true), message);
}

static void values(void **state)
{
	(void)state;
	setenv("KEDGE_OURS", "ours", 1);
	unsetenv("KEDGE_NOT_OURS");
	check_words("", true, "");
	check_words("A=1\n\n# no\n  B= x \nC=\"kept\"\nD=a=b\nE=\n", true, "A=1|B= x |C=\"kept\"|D=a=b|E=");
	check_words("A=1\r\nB=2\r\n", true, "A=1|B=2");
	check_words("\xef\xbb\xbf"
		    "A=1",
		true, "A=1");
	check_words("KEDGE_OURS\nKEDGE_NOT_OURS\nA=1", true, "KEDGE_OURS=ours|A=1");
	check_words("label\nname=value", false, "label|name=value");
}

static void refused(void **state)
{
	(void)state;
	check_refused("A=1\n=2\n", 7, "file \"f\": line 2: variable \"=2\" has no name");
	check_refused("A B=1\n", 6, "file \"f\": line 1: variable \"A B\" has white space in its name");
	check_refused("A=\xff\n", 4, "file \"f\" is not text in UTF-8");
	check_refused("A=1\0B=2\n", 8, "file \"f\" is not text in UTF-8");
}

static void words(void **state)
{
	autoclear(StringList) list = {0};

	(void)state;
	setenv("KEDGE_OURS", "ours", 1);
	check_ok(env_word_add(&list, "KEDGE_OURS"));
	check_ok(env_word_add(&list, "KEDGE_NOT_OURS"));
	check_ok(env_word_add(&list, "KEDGE_OURS="));
	check_text(strings_join(&list, "|"), "KEDGE_OURS=ours|KEDGE_OURS=");
	check_invalid(env_word_add(&list, "=x"), "variable \"=x\" has no name");
	check_invalid(env_word_add(&list, ""), "variable \"\" has no name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(refused),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
