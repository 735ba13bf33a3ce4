// SPDX-License-Identifier: Apache-2.0
#include "policy/config.h"

#include "base/memory.h"
#include "check.h"

#define HEX60 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define A "sha256:" HEX60 "aaaa"
#define B "sha256:" HEX60 "bbbb"
#define C "sha256:" HEX60 "cccc"
#define HINT "an entry is \"sha256:\" and 64 hexadecimal digits, or \"repository@sha256:...\""

static const struct {
	const char *json, *digests;
} good[] = {
	{"{}", ""},
	{"{\"allowlist\": \"\"}", ""},
	{"{\"allowlist\": []}", ""},
	{"{\"allowlist\": \" \\n\\r\\n , ,\\t\\n\"}", ""},
	{"{\"allowlist\": \"" A "\"}", A},
	{"{\"allowlist\": [\"" A "\", \"" B "\"]}", A " " B},
	{"{\"allowlist\": \"" A "\\n" B "\"}", A " " B},
	{"{\"allowlist\": \"" A "\\r\\n" B "\\r\\n\"}", A " " B},
	{"{\"allowlist\": \"" A "," B "\"}", A " " B},
	{"{\"allowlist\": \"  " A "  ,\\n\\t" B "\\n\\n" C " \"}", A " " B " " C},
	{"{\"allowlist\": \"sha256: " HEX60 " aaaa\"}", A},
	{"{\"allowlist\": [\"" A "\\n" B "\", \"" C "\"]}", A " " B " " C},
	{"{\"allowlist\": [\"" A "\", \"" A "\", \"busybox@" A "\"]}", A},
	{"{\"allowlist\": \"registry.local:5000/team/web@" B "\"}", B},
	{"{\"allowlist\": \"registry.local:5000/team/web:1.4@" B "\"}", B},
	{"{\"allowlist\": \"sha512:" HEX60 "aaaa" HEX60 "aaaa\"}", "sha512:" HEX60 "aaaa" HEX60 "aaaa"},
};

static void reads_every_spelling(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		autoclear(PolicyConfig) config = {0};
		autoclear(StringList) digests = {0};
		check_ok(fields_read_text(policy_config_fields, &config, "enforcement", good[i].json,
			strlen(good[i].json), FIELDS_STRICT));
		check_ok(allowlist_read(&digests, &config.allowlist));
		if (*good[i].digests)
			check_text(strings_join(&digests, " "), good[i].digests);
		else
			assert_int_equal(digests.count, 0);
	}
}

static const struct {
	const char *text, *message;
} bad[] = {
	{"sha256:12", "allow-list: entry \"sha256:12\": "},
	{HEX60 "aaaa", "allow-list: entry \"" HEX60 "aaaa\": "},
	{A "\nbusybox:latest", "allow-list: entry \"busybox:latest\": "},
	{"sha256:" HEX60 "AAAA", "allow-list: entry \"sha256:" HEX60 "AAAA\": "},
	{"sha256:" HEX60 "aaag", "allow-list: entry \"sha256:" HEX60 "aaag\": "},
	{"md5:" HEX60 "aaaa", "allow-list: entry \"md5:" HEX60 "aaaa\": "},
	{"busybox@", "allow-list: entry \"busybox@\": "},
	{"busybox@sha256:12", "allow-list: entry \"busybox@sha256:12\": "},
	{"@" A, "allow-list: entry \"@" A "\": "},
	{"Bad/Name@" A, "allow-list: entry \"Bad/Name@" A "\": "},
	{A " " B, "allow-list: entry \"" A B},
};

static void names_a_bad_entry(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const StringList texts = {(char *[]){(char *)bad[i].text, NULL}, 1};
		StringList digests = {0};
		Error *error = allowlist_read(&digests, &texts);
		assert_non_null(error);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		if (strncmp(error_message(error), bad[i].message, strnlen(bad[i].message, 100)) != 0)
			assert_string_equal(error_message(error), bad[i].message);
		assert_string_equal(error_hint_text(error), HINT);
		assert_null(digests.items);
		error_free(error);
	}
}

static void is_edited_entry_by_entry(void **state)
{
	autoclear(StringList) texts = {0};
	bool changed = false;

	(void)state;
	strings_add(&texts, " " A ",\n busybox@" B "\n");
	check_ok(allowlist_add(&texts, "sha256:" HEX60 "cccc", &changed));
	assert_true(changed);
	check_text(strings_join(&texts, " "), A " busybox@" B " " C);
	check_ok(allowlist_add(&texts, B, &changed));
	assert_false(changed);
	check_ok(allowlist_remove(&texts, B, &changed)); /* whatever it is called */
	assert_true(changed);
	check_text(strings_join(&texts, " "), A " " C);
	check_ok(allowlist_remove(&texts, "other@" B, &changed));
	assert_false(changed);
	error_free(allowlist_add(&texts, "nonsense", &changed)); /* is refused, and changes nothing */
	check_text(strings_join(&texts, " "), A " " C);
}

static void is_bounded(void **state)
{
	autoclear(StringList) texts = {0}, digests = {0};

	(void)state;
	for (int i = 0; i < ALLOWLIST_MAX; i++)
		strings_printf(&texts, "sha256:%064x", (unsigned)i);
	check_ok(allowlist_read(&digests, &texts));
	assert_int_equal(digests.count, ALLOWLIST_MAX);
	strings_add(&texts, A);
	check_invalid(allowlist_read(&digests, &texts), "allow-list: it has more than 65536 digests");
}

static const struct {
	const char *json, *message;
} bad_documents[] = {
	{"{\"enabled\": \"yes\"}", "field \"enabled\" must be a boolean, not a string"},
	{"{\"enable\": true}", "field \"enable\" is unknown"},
	{"{\"rules\": {\"latest\": {\"mode\": \"loud\"}}}", "field \"rules.latest.mode\""},
	{"{\"rules\": {\"latest\": {\"allowed\": []}}}", "rules.latest: field \"allowed\""},
	{"{\"rules\": {\"lates\": {}}}", "rules: field \"lates\""},
	{"{\"allowlist\": [1]}", "field \"allowlist[0]\" must be a string, not a number"},
};

static void refuses_what_it_does_not_know(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_documents); i++) {
		autoclear(PolicyConfig) config = {0};
		Error *error = fields_read_text(policy_config_fields, &config, "enforcement", bad_documents[i].json,
			strlen(bad_documents[i].json), FIELDS_STRICT);
		assert_non_null(error);
		if (!strstr(error_message(error), bad_documents[i].message))
			assert_string_equal(error_message(error), bad_documents[i].message);
		error_free(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_spelling),
		cmocka_unit_test(names_a_bad_entry),
		cmocka_unit_test(is_edited_entry_by_entry),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(refuses_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
