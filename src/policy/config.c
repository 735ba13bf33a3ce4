// SPDX-License-Identifier: Apache-2.0
#include "policy/config.h"

#include <string.h>

#include "base/memory.h"
#include "base/table.h"
#include "oci/reference.h"

enum { SHOWN_MAX = 100 };

const char *const rule_mode_names[RULE_MODES] = {
	[RULE_DENY] = "deny",
	[RULE_WARN] = "warn",
	[RULE_OFF] = "off",
};

#define AT(member) .offset = offsetof(OWNER, member)

#define OWNER PolicyRule
static const Field plain_rule_fields[] = {
	{"mode", FIELD_ENUM, AT(mode), .names = rule_mode_names, .name_count = RULE_MODES},
	FIELDS_END,
};
static const Field allowing_rule_fields[] = {
	{"mode", FIELD_ENUM, AT(mode), .names = rule_mode_names, .name_count = RULE_MODES},
	{"allowed", FIELD_STRINGS, AT(allowed), .max_count = RULE_ALLOWED_MAX, .max_length = 256},
	FIELDS_END,
};
#undef OWNER

#define RULE(sub_table) .sub = sub_table, .sub_size = sizeof(PolicyRule), .omit_empty = true

#define OWNER PolicyRules
static const Field rules_fields[] = {
	{"registries", FIELD_OBJECT_OR_NULL, AT(registries), RULE(allowing_rule_fields)},
	{"latest", FIELD_OBJECT_OR_NULL, AT(latest), RULE(plain_rule_fields)},
	{"privileged", FIELD_OBJECT_OR_NULL, AT(privileged), RULE(plain_rule_fields)},
	{"hostNetwork", FIELD_OBJECT_OR_NULL, AT(host_network), RULE(plain_rule_fields)},
	{"capabilities", FIELD_OBJECT_OR_NULL, AT(capabilities), RULE(allowing_rule_fields)},
	FIELDS_END,
};
#undef OWNER

#define OWNER PolicyConfig
const Field policy_config_fields[] = {
	{"enabled", FIELD_BOOL, AT(is_enabled)},
	{"allowlist", FIELD_WORDS, AT(allowlist), .max_count = ALLOWLIST_MAX, .max_length = ALLOWLIST_TEXT_MAX},
	{"rules", FIELD_OBJECT, AT(rules), .sub = rules_fields, .sub_size = sizeof(PolicyRules)},
	FIELDS_END,
};
#undef OWNER

void policy_config_clear(PolicyConfig *config)
{
	fields_clear(policy_config_fields, config);
}

/* ---- the allow-list ---- */

static void without_blanks(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (!strchr(" \t\r\v\f", *from))
			*to++ = *from;
	*to = '\0';
}

static fallible entry_error(const char *entry, const char *reason)
{
	return error_hint(error_new(ERROR_INVALID, "allow-list: entry \"%.*s\": %s", SHOWN_MAX, entry, reason),
		"an entry is \"sha256:\" and 64 hexadecimal digits, or \"repository@sha256:...\"");
}

static fallible entry_wrap(Error *take_error, const char *entry)
{
	Error *error = take_error ? entry_error(entry, error_message(take_error)) : NULL;

	error_free(take_error); /* its message is in the other */
	return error;
}

/* Without blanks. */
static fallible entry_digest(Digest *ret, const char *entry)
{
	autoclear(Reference) reference = {0};

	if (!strchr(entry, '@'))
		return entry_wrap(digest_parse(ret, entry), entry);
	TRY(entry_wrap(reference_parse(&reference, entry), entry));
	*ret = reference.digest;
	return NULL;
}

typedef struct Reading {
	StringList digests, entries; /* by the same index */
	Table *seen;
} Reading;

static void reading_clear(Reading *reading)
{
	strings_clear(&reading->digests);
	strings_clear(&reading->entries);
	reading->seen = table_free(reading->seen);
}
DEFINE_AUTOCLEAR(Reading, reading_clear)

static fallible read_entry(Reading *reading, const char *entry)
{
	Digest digest;

	if (!*entry)
		return NULL;
	TRY(entry_digest(&digest, entry));
	if (table_set(reading->seen, digest.text, reading))
		return NULL;
	if (reading->digests.count == ALLOWLIST_MAX)
		return error_new(ERROR_INVALID, "allow-list: it has more than %d digests", ALLOWLIST_MAX);
	strings_add(&reading->digests, digest.text);
	strings_add(&reading->entries, entry);
	return NULL;
}

static fallible read_text(Reading *reading, const char *text)
{
	autofree char *copy = mem_strdup(text);
	char *rest = copy, *entry;

	without_blanks(copy);
	while ((entry = strsep(&rest, ",\n")))
		TRY(read_entry(reading, entry));
	return NULL;
}

static fallible read_all(Reading *reading, const StringList *texts)
{
	reading->seen = table_new();
	for (size_t i = 0; i < texts->count; i++)
		TRY(read_text(reading, texts->items[i]));
	return NULL;
}

static void hand_over(StringList *to, StringList *from)
{
	strings_clear(to);
	*to = *from;
	*from = (StringList){0};
}

fallible allowlist_read(StringList *ret, const StringList *texts)
{
	autoclear(Reading) reading = {0};

	TRY(read_all(&reading, texts));
	hand_over(ret, &reading.digests);
	return NULL;
}

fallible allowlist_add(StringList *texts, const char *entry, bool *ret_changed)
{
	autoclear(Reading) reading = {0};
	size_t before;

	TRY(read_all(&reading, texts));
	before = reading.digests.count;
	TRY(read_text(&reading, entry));
	*ret_changed = reading.digests.count > before;
	hand_over(texts, &reading.entries);
	return NULL;
}

fallible allowlist_remove(StringList *texts, const char *entry, bool *ret_changed)
{
	const StringList one = {(char *[]){(char *)entry, NULL}, 1};
	autoclear(Reading) leaving = {0};
	autoclear(Reading) reading = {0};
	autoclear(StringList) staying = {0};

	TRY(read_all(&leaving, &one));
	TRY(read_all(&reading, texts));
	for (size_t i = 0; i < reading.entries.count; i++)
		if (!table_get(leaving.seen, reading.digests.items[i]))
			strings_add(&staying, reading.entries.items[i]);
	*ret_changed = staying.count < reading.entries.count;
	hand_over(texts, &staying);
	return NULL;
}
