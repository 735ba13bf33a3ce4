// SPDX-License-Identifier: Apache-2.0
#include "device/declaration.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "device/declaration_check.h"

/* Defaults of Kura's container instances, but for the restart policy: what is declared is to be kept running. */
enum { PULL_RETRIES = 5, PULL_INTERVAL_S = 30, PULL_TIMEOUT_S = 500, PROBATION_S = 10 };
enum { ACCESS_TOKEN_S = 60, REFRESH_TOKEN_S = 900 };

void declaration_init(Declaration *declaration)
{
	*declaration = (Declaration){
		.enabled = true,
		.pull_retries = PULL_RETRIES,
		.pull_interval_ns = PULL_INTERVAL_S * NANOS_PER_SECOND,
		.pull_timeout_ns = PULL_TIMEOUT_S * NANOS_PER_SECOND,
		.stop_grace_ns = -1,
		.probation_ns = PROBATION_S * NANOS_PER_SECOND,
		.signature = {.verify_transparency_log = true},
		.identity = {.access_token_ns = ACCESS_TOKEN_S * NANOS_PER_SECOND,
			.refresh_token_ns = REFRESH_TOKEN_S * NANOS_PER_SECOND},
	};
	container_spec_init(&declaration->spec);
	declaration->spec.restart_policy = RESTART_UNLESS_STOPPED;
}

/* The engine's table goes first: it knows of members of mounts that ours does not. */
void declaration_clear(Declaration *declaration)
{
	if (declaration->registry.password)
		explicit_bzero(declaration->registry.password, strlen(declaration->registry.password));
	container_spec_clear(&declaration->spec);
	fields_clear(declaration_fields, declaration);
}

void declaration_copy(Declaration *to, const Declaration *from)
{
	fields_copy(declaration_fields, to, from);
	fields_copy(container_spec_fields, &to->spec, &from->spec);
}

/* ---- what is there, beside being empty ---- */

static const struct {
	const char *field;
	size_t flag;
} given_flags[] = {
	{"entrypoint", offsetof(Declaration, spec.entrypoint_reset)},
	{"maskedPaths", offsetof(Declaration, spec.masked_paths_given)},
	{"readOnlyPaths", offsetof(Declaration, spec.read_only_paths_given)},
};

static void note_given(Declaration *declaration, const Value *document)
{
	for (size_t i = 0; i < COUNT(given_flags); i++)
		*(bool *)((char *)declaration + given_flags[i].flag) =
			!value_is_null(value_get(document, given_flags[i].field));
	declaration->spec.entrypoint_reset &= declaration->spec.entrypoint.count == 0;
}

static bool is_given(const Declaration *declaration, const char *field)
{
	for (size_t i = 0; i < COUNT(given_flags); i++)
		if (string_equal(given_flags[i].field, field))
			return *(const bool *)((const char *)declaration + given_flags[i].flag);
	return false;
}

/* ---- one way to say it ---- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const StringPair *)a)->key, ((const StringPair *)b)->key);
}

/* "" says nothing, and the order of a map neither. */
static void settle_fields(const Field *table, void *target)
{
	for (; table->name; table++) {
		void *slot = (char *)target + table->offset;
		StringMap *map = slot;
		char **text = slot;
		if (table->kind == FIELD_STRING && *text && !**text)
			string_replace(text, NULL);
		else if (table->kind == FIELD_MAP && map->count)
			qsort(map->items, map->count, sizeof(*map->items), compare_keys);
		else if (table->kind == FIELD_OBJECT)
			settle_fields(table->sub, slot);
		else if (table->kind == FIELD_OBJECT_OR_NULL && *(void **)slot)
			settle_fields(table->sub, *(void **)slot);
		else if (table->kind == FIELD_ARRAY)
			for (size_t i = 0; i < ((FieldArray *)slot)->count; i++)
				settle_fields(table->sub, (char *)((FieldArray *)slot)->items + i * table->sub_size);
	}
}

static void drop_default(char **text, const char *otherwise)
{
	if (string_equal(*text, otherwise))
		string_replace(text, NULL);
}

static void settle(Declaration *declaration)
{
	DeclaredDevice *devices = declaration->devices.items;
	MountSpec *mounts = declaration->spec.mounts.items;

	settle_fields(declaration_fields, declaration);
	for (size_t i = 0; i < declaration->devices.count; i++) {
		drop_default(&devices[i].target, devices[i].path);
		drop_default(&devices[i].permissions, "rwm");
	}
	for (size_t i = 0; i < declaration->spec.mounts.count; i++)
		drop_default(&mounts[i].propagation, "rprivate");
	for (size_t i = 0; i < declaration->spec.mounts.count; i++)
		string_replace(&mounts[i].mode, NULL); /* which is in the other members */
}

/* ---- reading ---- */

fallible declaration_check_name(const char *name)
{
	size_t length = strlen(name);
	bool is_good = length >= 2 && length <= DECLARED_NAME_MAX && isalnum((unsigned char)name[0]);

	for (size_t i = 1; is_good && i < length; i++)
		is_good = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
	if (is_good)
		return NULL;
	return error_new(ERROR_INVALID,
		"field \"name\": \"%.64s\" is no container's name: [a-zA-Z0-9][a-zA-Z0-9_.-], 2 to %d characters", name,
		DECLARED_NAME_MAX);
}

static fallible settle_name(Declaration *declaration, const char *name)
{
	if (!declaration->name && !name)
		return error_new(ERROR_INVALID, "field \"name\" is missing");
	if (declaration->name && name && !string_equal(declaration->name, name))
		return error_new(ERROR_INVALID, "field \"name\": \"%.128s\" is not \"%.128s\", which the file is named",
			declaration->name, name);
	if (!declaration->name)
		declaration->name = mem_strdup(name);
	return declaration_check_name(declaration->name);
}

fallible declaration_settle(Declaration *declaration, const char *name)
{
	settle(declaration);
	TRY(settle_name(declaration, name));
	return declaration_check(declaration);
}

fallible declaration_read(Declaration *ret, const Value *document, const char *name)
{
	autoclear(Declaration) read;

	declaration_init(&read);
	TRY(fields_read(declaration_fields, &read, document, FIELDS_STRICT));
	note_given(&read, document);
	TRY(declaration_settle(&read, name));
	declaration_clear(ret);
	*ret = read;
	declaration_init(&read);
	return NULL;
}

/* ---- writing ---- */

/* A part of declaration_fields: of the same struct. */
static bool is_part(const Field *field)
{
	return field->kind == FIELD_OBJECT && field->offset == 0;
}

static bool differs(const Field *field, const Declaration *a, const Declaration *b)
{
	const Field alone[] = {*field, FIELDS_END};

	return !fields_equal(alone, a, b);
}

static void write_one(const Field *field, const Declaration *declaration, Writer *writer)
{
	Field alone[] = {*field, FIELDS_END};

	alone[0].omit_empty = false;
	fields_write_members(alone, declaration, writer);
}

/* What is not as it is by default. */
static void write_changed(
	const Field *table, const Declaration *declaration, const Declaration *defaults, Writer *writer)
{
	for (; table->name; table++) {
		if (!differs(table, declaration, defaults) && !is_given(declaration, table->name))
			continue;
		if (!is_part(table)) {
			write_one(table, declaration, writer);
			continue;
		}
		write_object(writer, table->name);
		write_changed(table->sub, declaration, defaults, writer);
		write_object_end(writer);
	}
}

void declaration_write(const Declaration *declaration, Writer *writer, const char *key)
{
	autoclear(Declaration) defaults;

	declaration_init(&defaults);
	write_object(writer, key);
	write_changed(declaration_fields, declaration, &defaults, writer);
	write_object_end(writer);
}

Value *declaration_value(const Declaration *declaration)
{
	autoclear(Buffer) text = {0};
	Value *value = NULL;
	Writer writer;

	writer_init(&writer, &text);
	declaration_write(declaration, &writer, NULL);
	error_free(value_parse(&value, buffer_text(&text), text.length)); /* it was written here: there is none */
	if (text.data)
		explicit_bzero(text.data, text.length);
	return value;
}

Value *declaration_shown(const Declaration *declaration)
{
	static const char *const secrets[] = {"password", "sealed"};
	Value *value = declaration_value(declaration), *registry = value_get(value, "registry");

	for (size_t i = 0; i < COUNT(secrets); i++)
		if (value_get(registry, secrets[i]))
			value_set(registry, secrets[i], value_new_string("(hidden)"));
	return value;
}
