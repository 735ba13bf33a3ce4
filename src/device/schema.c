// SPDX-License-Identifier: Apache-2.0
#include "device/schema.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "device/declaration.h"
#include "device/fields.h"
#include "device/service.h"

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

static Value *json(const char *text)
{
	Value *value = NULL;

	error_free(value_parse(&value, text, strlen(text))); /* our own texts, which a test reads */
	return value;
}

/* ---- what may be written in the place of the canonical form ---- */

#define SCALARS "{\"type\":[\"string\",\"integer\",\"boolean\",\"null\"]}"
#define TEXT_ITEMS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TEXT_MAP "{\"type\":\"object\",\"additionalProperties\":" SCALARS "}"

static const struct {
	Error *(*expand)(Value **ret, const Value *value);
	const char *schema, *words; /* words: for people */
} shorts[] = {
	{expand_map, TEXT_MAP, "map"},
	{expand_map, TEXT_ITEMS, "list"},
	{expand_environment, TEXT_MAP, "map"},
	{expand_hosts, TEXT_MAP, "map"},
	{expand_words, "{\"type\":\"string\"}", "text"},
	{expand_line, "{\"type\":\"string\"}", "line"},
	{expand_test, "{\"type\":\"string\"}", "line"},
	{expand_gpus, "{\"type\":\"string\",\"pattern\":\"^(all|[0-9]+)$\"}", "text"},
	{expand_gpus, "{\"type\":\"integer\",\"minimum\":1}", "number"},
	{expand_gpus, TEXT_ITEMS, "list"},
	{expand_ulimits, "{\"type\":\"object\"}", "map"},
	{expand_ulimits, TEXT_ITEMS, "list"},
	{expand_networks, "{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"object\",\"null\"]}}", "map"},
	{expand_networks, TEXT_ITEMS, "list"},
	{expand_dependencies, "{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"object\",\"null\"]}}", "map"},
	{expand_dependencies, TEXT_ITEMS, "list"},
};

static const char *item_schema(const Field *field)
{
	return field->expand_item == expand_port ? "{\"type\":[\"string\",\"integer\"]}" : "{\"type\":\"string\"}";
}

/* ---- kinds ---- */

static Value *object_schema(const Field *table, const void *defaults);

static Value *typed(const char *type)
{
	Value *schema = value_object();

	value_set(schema, "type", value_new_string(type));
	return schema;
}

static Value *number_schema(const Field *field)
{
	Value *schema = typed("integer");

	if (field->min || field->max)
		value_set(schema, "minimum", value_new_int(field->min));
	if ((field->min || field->max) && field->max != INT64_MAX)
		value_set(schema, "maximum", value_new_int(field->max));
	return schema;
}

static Value *list_schema(Value *take_items)
{
	Value *schema = typed("array");

	value_set(schema, "items", take_items);
	return schema;
}

static Value *array_schema(const Field *field)
{
	Value *items = object_schema(field->sub, NULL), *either;

	if (!field->expand_item)
		return list_schema(items);
	either = value_array();
	value_append(either, items);
	value_append(either, json(item_schema(field)));
	items = value_object();
	value_set(items, "anyOf", either);
	return list_schema(items);
}

static Value *enum_schema(const Field *field)
{
	Value *schema = value_object(), *words = value_array();

	for (size_t i = 0; i < field->name_count; i++)
		value_append(words, value_new_string(field->names[i]));
	value_set(schema, "enum", words);
	return schema;
}

static Value *kind_schema(const Field *field, const void *defaults)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return typed("boolean");
	case FIELD_INT:
		return number_schema(field);
	case FIELD_STRING:
		return typed("string");
	case FIELD_STRINGS:
	case FIELD_WORDS:
	case FIELD_SET:
		return list_schema(typed("string"));
	case FIELD_MAP:
		return json("{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}");
	case FIELD_ENUM:
		return enum_schema(field);
	case FIELD_OBJECT:
		return object_schema(field->sub, defaults ? (const char *)defaults + field->offset : NULL);
	case FIELD_OBJECT_OR_NULL:
		return object_schema(field->sub, NULL);
	case FIELD_ARRAY:
		return array_schema(field);
	case FIELD_NANO:
		return json("{\"type\":[\"number\",\"string\"]}");
	case FIELD_DURATION:
		return json("{\"type\":[\"string\",\"integer\"],\"format\":\"kedge-duration\"}");
	case FIELD_BYTES:
		return json("{\"type\":[\"string\",\"integer\"],\"format\":\"kedge-size\"}");
	case FIELD_VALUE:
		break;
	}
	return value_object();
}

/* ---- fields ---- */

/* The canonical form first: what a form offers. */
static Value *with_shorts(const Field *field, Value *take_canonical)
{
	Value *any = value_array(), *schema;

	value_append(any, take_canonical);
	for (size_t i = 0; field->expand && i < COUNT(shorts); i++)
		if (shorts[i].expand == field->expand)
			value_append(any, json(shorts[i].schema));
	if (value_count(any) == 1) {
		schema = value_ref(value_at(any, 0));
		value_free(any);
		return schema;
	}
	schema = value_object();
	value_set(schema, "anyOf", any);
	return schema;
}

/* Of a number, a word or a truth; what is empty by default has none. */
static Value *default_of(const Field *field, const void *defaults)
{
	Field alone[] = {*field, FIELDS_END};
	autoclear(Buffer) text = {0};
	autoptr(Value) object = NULL;
	Writer writer;

	if (!defaults || field->kind == FIELD_OBJECT)
		return NULL;
	writer_init(&writer, &text);
	alone[0].omit_empty = field->kind != FIELD_BOOL && field->kind != FIELD_ENUM;
	fields_write(alone, defaults, &writer, NULL);
	object = json(buffer_text(&text));
	Value *value = value_get(object, field->name);
	const char *said = value_string(value); /* "-1ns" says that there is none */
	return value && !(said && *said == '-') ? value_ref(value) : NULL;
}

static Value *field_schema(const Field *field, const void *defaults)
{
	Value *schema = with_shorts(field, kind_schema(field, defaults));
	Value *otherwise = default_of(field, defaults);

	if (field->text)
		value_set(schema, "description", value_new_string(field->text));
	if (otherwise)
		value_set(schema, "default", otherwise);
	return schema;
}

static Value *object_schema(const Field *table, const void *defaults)
{
	Value *schema = typed("object"), *properties = value_object(), *required = value_array();

	for (const Field *field = table; field->name; field++) {
		value_set(properties, field->name, field_schema(field, defaults));
		if (field->required)
			value_append(required, value_new_string(field->name));
	}
	value_set(schema, "properties", properties);
	value_set(schema, "additionalProperties", value_new_bool(false));
	if (value_count(required))
		value_set(schema, "required", value_ref(required));
	value_free(required);
	return schema;
}

static Value *document_schema(const char *title, Value *take_schema)
{
	Value *schema = value_object();
	const char *name;
	Value *member;
	size_t cursor = 0;

	value_set(schema, "$schema", value_new_string(DIALECT));
	value_set(schema, "title", value_new_string(title));
	while (value_each(take_schema, &cursor, &name, &member))
		value_set(schema, name, value_ref(member));
	value_free(take_schema);
	return schema;
}

Value *schema_of_declaration(void)
{
	autoclear(Declaration) defaults;

	declaration_init(&defaults);
	return document_schema(
		"A container that kedge keeps as it is declared", object_schema(declaration_fields, &defaults));
}

Value *schema_of_service(void)
{
	autoclear(Service) defaults;

	service_init(&defaults);
	return document_schema("kedge's options for declared containers", object_schema(service_fields, &defaults));
}

/* ---- for people ---- */

static const char *kind_words(const Field *field)
{
	static const char *const words[] = {
		[FIELD_BOOL] = "true, false",
		[FIELD_INT] = "number",
		[FIELD_STRING] = "text",
		[FIELD_STRINGS] = "list",
		[FIELD_WORDS] = "list",
		[FIELD_MAP] = "map",
		[FIELD_OBJECT] = "object",
		[FIELD_OBJECT_OR_NULL] = "object",
		[FIELD_ARRAY] = "list of objects",
		[FIELD_SET] = "list",
		[FIELD_NANO] = "number",
		[FIELD_DURATION] = "duration",
		[FIELD_BYTES] = "size",
		[FIELD_VALUE] = "any",
	};

	return words[field->kind];
}

static void put_kind(Buffer *out, const Field *field)
{
	if (field->kind != FIELD_ENUM)
		buffer_add_text(out, kind_words(field));
	for (size_t i = 0; field->kind == FIELD_ENUM && i < field->name_count; i++)
		buffer_printf(out, "%s%s", i ? ", " : "", field->names[i]);
	for (size_t i = 0; field->expand && i < COUNT(shorts); i++)
		if (shorts[i].expand == field->expand && strcmp(shorts[i].words, kind_words(field)))
			buffer_printf(out, ", %s", shorts[i].words);
	if (field->expand_item)
		buffer_add_text(out, ", list");
}

static void put_default(Buffer *out, const Field *field, const void *defaults)
{
	autoptr(Value) value = default_of(field, defaults);

	if (value_is_string(value))
		buffer_add_text(out, value_string(value));
	else if (value)
		value_write(value, out);
}

/* "|" ends a cell. */
static void put_cell(Buffer *out, const char *text)
{
	buffer_add_escaped(out, text, "|");
}

static void put_row(Buffer *out, const char *above, const Field *field, const void *defaults)
{
	buffer_printf(out, "| `%s%s%s` | ", above, *above ? "." : "", field->name);
	put_kind(out, field);
	buffer_add_text(out, field->required ? " (needed)" : "");
	buffer_add_text(out, " | ");
	put_default(out, field, defaults);
	buffer_add_text(out, " | ");
	put_cell(out, field->text ? field->text : "");
	buffer_add_text(out, " |\n");
}

static bool is_part(const Field *field)
{
	return field->kind == FIELD_OBJECT && field->offset == 0;
}

static void put_rows(Buffer *out, const char *above, const Field *table, const void *defaults)
{
	for (; table->name; table++) {
		autofree char *path = string_printf("%s%s%s", above, *above ? "." : "", table->name);
		if (is_part(table))
			put_rows(out, path, table->sub, defaults);
		else
			put_row(out, above, table, defaults);
	}
}

static void put_head(Buffer *out)
{
	buffer_add_text(out, "| field | written as | default | what it says |\n|---|---|---|---|\n");
}

void schema_tables(Buffer *out)
{
	autoclear(Declaration) defaults;

	declaration_init(&defaults);
	put_head(out);
	put_rows(out, "", declaration_fields, &defaults);
	for (const Field *field = declaration_fields; field->name; field++) {
		if (!field->sub || is_part(field))
			continue;
		buffer_printf(
			out, "\n%s `%s`:\n\n", field->kind == FIELD_ARRAY ? "An object of" : "The object", field->name);
		put_head(out);
		put_rows(out, "", field->sub, NULL);
	}
}
