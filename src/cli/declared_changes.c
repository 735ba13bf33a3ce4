// SPDX-License-Identifier: Apache-2.0
#include "cli/declared_changes.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/declared_documents.h"

/* What the daemon says a change comes to. */
static const struct {
	const char *word, *text;
} changes[] = {
	{"create", "created"},
	{"none", "unchanged"},
	{"keep", "changed; its container stays as it is"},
	{"note", "changed; it is not enabled, and has no container"},
	{"update", "changed; its container is updated in place"},
	{"recreate", "changed; its container is replaced"},
	{"disable", "changed; its container is stopped and removed"},
	{"enable", "changed; its container is made"},
};

static const char *text_of(const char *word)
{
	for (size_t i = 0; word && i < COUNT(changes); i++)
		if (string_equal(changes[i].word, word))
			return changes[i].text;
	return word ? word : "";
}

static fallible read_field(Value *fields, const char *word)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word)
		return error_new(ERROR_INVALID, "\"%s\" is not of the form FIELD=VALUE", word);
	autofree char *path = mem_strndup(word, (size_t)(equals - word));
	value_set(fields, path, value_new_string(equals + 1));
	return NULL;
}

fallible declared_read_fields(Value *fields, const StringList *words, size_t first)
{
	for (size_t i = first; i < words->count; i++)
		TRY(read_field(fields, words->items[i]));
	return NULL;
}

fallible declared_apply(Cli *cli, Value **ret, const StringList *paths, bool is_dry_run)
{
	autoptr(Value) body = NULL;
	autoclear(Buffer) text = {0}, target = {0};

	TRY(declared_documents_read(&body, paths));
	value_write(body, &text);
	buffer_add_text(&target, "/kedge/v1/containers");
	target_query_flag(&target, "dry-run", is_dry_run);
	return api_post(cli, ret, buffer_text(&target), buffer_text(&text));
}

static void print_side(const char *sign, const char *path, const Value *value)
{
	autoclear(Buffer) text = {0};

	if (!value)
		return;
	value_write(value, &text);
	printf("%s %s: %s\n", sign, path, buffer_text(&text));
}

void declared_print_differences(const Value *differences)
{
	for (size_t i = 0; i < value_count(differences); i++) {
		const Value *difference = value_at(differences, i);
		const char *path = value_string(value_get(difference, "Field"));
		print_side("-", path, value_get(difference, "From"));
		print_side("+", path, value_get(difference, "To"));
	}
}

void declared_print_change(const Value *change, bool details)
{
	const Value *notes = value_get(change, "notes");

	printf("%s: %s\n", value_string(value_get(change, "name")), text_of(value_string(value_get(change, "change"))));
	for (size_t i = 0; i < value_count(notes); i++)
		printf("  note: %s\n", value_string(value_at(notes, i)));
	if (details)
		declared_print_differences(value_get(change, "differences"));
}

bool declared_differs(const Value *list)
{
	for (size_t i = 0; i < value_count(list); i++)
		if (!string_equal(value_string(value_get(value_at(list, i), "change")), "none"))
			return true;
	return false;
}
