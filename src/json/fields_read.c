// SPDX-License-Identifier: Apache-2.0
/* From documents to structs. */
#include "json/fields_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

/* Where in the document reading is; put into text only when an error needs it. */
typedef struct Path {
	const struct Path *above; /* NULL: the document */
	const char *name;         /* NULL: item number index */
	size_t index;
} Path;

/* ---- errors ---- */

static void put_path(Buffer *out, const Path *path)
{
	if (!path)
		return;
	put_path(out, path->above);
	if (!path->name)
		buffer_printf(out, "[%zu]", path->index);
	else
		buffer_printf(out, "%s%s", out->length ? "." : "", path->name);
}

/* `field "ports[1].containerPort" <what>` */
static fallible field_error(const Path *path, const char *what)
{
	autoclear(Buffer) text = {0};

	put_path(&text, path);
	if (!text.length)
		return error_new(ERROR_INVALID, "document %s", what);
	return error_new(ERROR_INVALID, "field \"%s\" %s", buffer_text(&text), what);
}

/* `ports[1]: field "containerPort" <what>`, for what is about the object around it. */
static fallible member_error(const Path *object, const char *name, const char *what)
{
	autoclear(Buffer) text = {0};

	put_path(&text, object);
	return error_new(ERROR_INVALID, "%s%sfield \"%s\" %s", buffer_text(&text), text.length ? ": " : "", name, what);
}

static const char *article(const char *noun)
{
	return strchr("aeiou", *noun) ? "an " : *noun == 'n' && string_equal(noun, "null") ? "" : "a ";
}

static fallible kind_error(const Path *path, const char *wanted, const Value *value)
{
	const char *kind = value_kind_name(value);
	autofree char *what = string_printf("must be %s, not %s%s", wanted, article(kind), kind);

	return field_error(path, what);
}

/* ---- reading: plain kinds ---- */

static size_t count_max(const Field *field)
{
	return field->max_count ? field->max_count : FIELDS_COUNT_MAX;
}

static fallible check_total(const Field *field, const Path *path)
{
	autofree char *what = string_printf("has more than %zu items", count_max(field));
	return field_error(path, what);
}

static fallible check_count(const Field *field, const Value *value, const Path *path)
{
	return value_count(value) <= count_max(field) ? NULL : check_total(field, path);
}

static fallible check_length(const Field *field, const char *text, const Path *path)
{
	size_t max = field->max_length ? field->max_length : FIELDS_STRING_MAX;

	if (strnlen(text, max + 1) <= max)
		return NULL;
	autofree char *what = string_printf("is longer than %zu bytes", max);
	return field_error(path, what);
}

static fallible read_text(const char **ret, const Field *field, const Value *value, const Path *path)
{
	if (!value_is_string(value))
		return kind_error(path, "a string", value);
	TRY(check_length(field, value_string(value), path));
	*ret = value_string(value);
	return NULL;
}

static fallible read_bool(const Field *field, void *slot, const Value *value, const Path *path)
{
	(void)field;
	if (!value_is_bool(value))
		return kind_error(path, "a boolean", value);
	*(bool *)slot = value_bool(value, false);
	return NULL;
}

/* Numbers of a fraction of zero count as whole: some writers know only floating point. */
static fallible whole_number(int64_t *ret, const Value *value, const Path *path)
{
	double number = value_double(value, 0);

	if (!value_is_number(value))
		return kind_error(path, "a number", value);
	if (number != floor(number))
		return field_error(path, "must be a whole number");
	if (number < -9223372036854775808.0 || number >= 9223372036854775808.0) {
		if (value_int(value, 0) == value_int(value, 1)) { /* an integer that the double rounded up */
			*ret = value_int(value, 0);
			return NULL;
		}
		return field_error(path, "is out of range");
	}
	*ret = value_int(value, (int64_t)number);
	return NULL;
}

static void put_number(char ret[CLOCK_TEXT_MAX], const Field *field, int64_t number)
{
	if (field->kind == FIELD_DURATION)
		clock_format_duration(ret, number);
	else
		snprintf(ret, CLOCK_TEXT_MAX, "%lld", (long long)number);
}

static fallible set_number(const Field *field, void *slot, int64_t number, const Path *path)
{
	char min[CLOCK_TEXT_MAX], max[CLOCK_TEXT_MAX];

	if ((field->min || field->max) && (number < field->min || number > field->max)) {
		put_number(min, field, field->min);
		put_number(max, field, field->max);
		autofree char *what = string_printf("must be between %s and %s", min, max);
		return field_error(path, what);
	}
	*(int64_t *)slot = number;
	return NULL;
}

static fallible read_int(const Field *field, void *slot, const Value *value, const Path *path)
{
	int64_t number = 0;

	TRY(whole_number(&number, value, path));
	return set_number(field, slot, number, path);
}

static fallible read_string(const Field *field, void *slot, const Value *value, const Path *path)
{
	const char *text;

	TRY(read_text(&text, field, value, path));
	string_replace(slot, text);
	return NULL;
}

/* `must be one of "a", "b", not "c"` */
static fallible enum_error(const Field *field, const char *text, const Path *path)
{
	autoclear(Buffer) what = {0};

	buffer_add_text(&what, "must be one of ");
	for (size_t i = 0, shown = 0; i < field->name_count; i++)
		if (field->names[i])
			buffer_printf(&what, "%s\"%s\"", shown++ ? ", " : "", field->names[i]);
	buffer_printf(&what, ", not \"%s\"", text);
	return field_error(path, buffer_text(&what));
}

static fallible read_enum(const Field *field, void *slot, const Value *value, const Path *path)
{
	const char *text;

	TRY(read_text(&text, field, value, path));
	int index = names_find(field->names, field->name_count, text);
	if (index < 0)
		return enum_error(field, text, path);
	*(int *)slot = index;
	return NULL;
}

/* ---- reading: quantities ---- */

/* Takes a parser's error apart again: its reason, behind the field's path. */
static fallible reason_error(const Path *path, Error *reason)
{
	autoclear(Buffer) text = {0};

	if (!reason)
		return NULL;
	put_path(&text, path);
	return error_wrap(reason, "field \"%s\"", buffer_text(&text));
}

static fallible read_nano(const Field *field, void *slot, const Value *value, const Path *path)
{
	double number = value_double(value, 0);

	(void)field;
	if (value_is_string(value))
		return reason_error(path, string_to_nano(slot, value_string(value)));
	if (!value_is_number(value))
		return kind_error(path, "a number", value);
	if (fabs(number) > 9e9)
		return field_error(path, "is out of range");
	*(int64_t *)slot = (int64_t)llround(number * 1e9);
	return NULL;
}

static fallible read_duration(const Field *field, void *slot, const Value *value, const Path *path)
{
	int64_t ns;

	if (!value_is_string(value) && !value_is_number(value))
		return kind_error(path, "a duration or a number of nanoseconds", value);
	if (value_is_number(value))
		return read_int(field, slot, value, path);
	TRY(reason_error(path, clock_parse_duration(&ns, value_string(value))));
	return set_number(field, slot, ns, path);
}

static fallible read_bytes(const Field *field, void *slot, const Value *value, const Path *path)
{
	int64_t bytes;

	if (!value_is_string(value) && !value_is_number(value))
		return kind_error(path, "a size or a number of bytes", value);
	if (value_is_number(value))
		return read_int(field, slot, value, path);
	TRY(reason_error(path, string_to_bytes(&bytes, value_string(value))));
	return set_number(field, slot, bytes, path);
}

/* ---- reading: lists and maps of strings ---- */

static fallible read_items(StringList *list, const Field *field, const Value *value, const Path *path)
{
	const char *text;

	TRY(check_count(field, value, path));
	for (size_t i = 0; i < value_count(value); i++) {
		TRY(read_text(&text, field, value_at(value, i), &(Path){.above = path, .index = i}));
		strings_add(list, text);
	}
	return NULL;
}

static void list_replace(StringList *slot, StringList *list)
{
	strings_clear(slot);
	*slot = *list;
	*list = (StringList){0};
}

static fallible read_strings(const Field *field, void *slot, const Value *value, const Path *path)
{
	autoclear(StringList) list = {0};

	if (!value_is_array(value))
		return kind_error(path, "an array of strings", value);
	TRY(read_items(&list, field, value, path));
	list_replace(slot, &list);
	return NULL;
}

static fallible read_words(const Field *field, void *slot, const Value *value, const Path *path)
{
	autoclear(StringList) list = {0};

	if (value_is_array(value))
		return read_strings(field, slot, value, path);
	if (!value_is_string(value))
		return kind_error(path, "a string or an array of strings", value);
	TRY(check_length(field, value_string(value), path));
	strings_add(&list, value_string(value));
	list_replace(slot, &list);
	return NULL;
}

static fallible read_map(const Field *field, void *slot, const Value *value, const Path *path)
{
	autoclear(StringMap) map = {0};
	const char *key, *text;
	Value *member;
	size_t cursor = 0;

	if (!value_is_object(value))
		return kind_error(path, "an object of strings", value);
	TRY(check_count(field, value, path));
	while (value_each(value, &cursor, &key, &member)) {
		Path below = {.above = path, .name = key};
		text = "";
		TRY(check_length(field, key, &below));
		if (!value_is_null(member))
			TRY(read_text(&text, field, member, &below));
		map_set(&map, key, text);
	}
	map_clear(slot);
	*(StringMap *)slot = map;
	map = (StringMap){0};
	return NULL;
}

static fallible read_set(const Field *field, void *slot, const Value *value, const Path *path)
{
	autoclear(StringList) list = {0};
	const char *key;
	size_t cursor = 0;

	if (!value_is_object(value))
		return kind_error(path, "an object", value);
	TRY(check_count(field, value, path));
	while (value_each(value, &cursor, &key, NULL)) {
		TRY(check_length(field, key, &(Path){.above = path, .name = key}));
		strings_add(&list, key);
	}
	list_replace(slot, &list);
	return NULL;
}

static fallible read_value(const Field *field, void *slot, Value *value, const Path *path)
{
	(void)field;
	(void)path;
	value_ref(value);
	value_free(*(Value **)slot);
	*(Value **)slot = value;
	return NULL;
}

/* ---- reading: structs ---- */

static fallible read_object(const Field *table, void *target, const Value *object, int flags, const Path *path);

static fallible read_owned(const Field *field, void *slot, const Value *value, int flags, const Path *path)
{
	void **owned = slot;

	if (!*owned)
		*owned = mem_alloc(field->sub_size);
	return read_object(field->sub, *owned, value, flags, path);
}

static fallible read_array_items(FieldArray *array, const Field *field, const Value *value, int flags, const Path *path)
{
	TRY(check_count(field, value, path));
	array->count = value_count(value);
	array->items = array->count ? mem_alloc(array->count * field->sub_size) : NULL;
	for (size_t i = 0; i < array->count; i++)
		TRY(read_object(field->sub, (char *)array->items + i * field->sub_size, value_at(value, i), flags,
			&(Path){.above = path, .index = i}));
	return NULL;
}

/* Items that are written shortly are more than one each, so that they are read one by one. */
static fallible read_short_item(FieldArray *array, const Field *field, Value *item, int flags, const Path *path)
{
	autoptr(Value) items = value_array();

	TRY(reason_error(path, field->expand_item(items, item)));
	for (size_t i = 0; i < value_count(items); i++) {
		if (array->count == count_max(field))
			return check_total(field, path->above);
		array->items = mem_array(array->items, array->count + 1, field->sub_size);
		void *target = (char *)array->items + field->sub_size * array->count++;
		memset(target, 0, field->sub_size);
		TRY(read_object(field->sub, target, value_at(items, i), flags, path));
	}
	return NULL;
}

static fallible read_short_items(FieldArray *array, const Field *field, const Value *value, int flags, const Path *path)
{
	for (size_t i = 0; i < value_count(value); i++)
		TRY(read_short_item(array, field, value_at(value, i), flags, &(Path){.above = path, .index = i}));
	return NULL;
}

static fallible read_array(const Field *field, void *slot, const Value *value, int flags, const Path *path)
{
	FieldArray array = {0};

	if (!value_is_array(value))
		return kind_error(path, "an array", value);
	Error *error = field->expand_item ? read_short_items(&array, field, value, flags, path)
					  : read_array_items(&array, field, value, flags, path);
	if (error) {
		array_clear(field, &array);
		return error;
	}
	array_clear(field, slot);
	*(FieldArray *)slot = array;
	return NULL;
}

static fallible read_kind(const Field *field, void *target, Value *value, int flags, const Path *path)
{
	void *slot = slot_of(field, target);

	switch (field->kind) {
	case FIELD_BOOL:
		return read_bool(field, slot, value, path);
	case FIELD_INT:
		return read_int(field, slot, value, path);
	case FIELD_STRING:
		return read_string(field, slot, value, path);
	case FIELD_STRINGS:
		return read_strings(field, slot, value, path);
	case FIELD_WORDS:
		return read_words(field, slot, value, path);
	case FIELD_MAP:
		return read_map(field, slot, value, path);
	case FIELD_ENUM:
		return read_enum(field, slot, value, path);
	case FIELD_OBJECT:
		return read_object(field->sub, slot, value, flags, path);
	case FIELD_OBJECT_OR_NULL:
		return read_owned(field, slot, value, flags, path);
	case FIELD_ARRAY:
		return read_array(field, slot, value, flags, path);
	case FIELD_SET:
		return read_set(field, slot, value, path);
	case FIELD_NANO:
		return read_nano(field, slot, value, path);
	case FIELD_DURATION:
		return read_duration(field, slot, value, path);
	case FIELD_BYTES:
		return read_bytes(field, slot, value, path);
	case FIELD_VALUE:
		return read_value(field, slot, value, path);
	}
	return field_error(path, "is of no known kind");
}

static fallible read_field(const Field *field, void *target, Value *value, int flags, const Path *path)
{
	autoptr(Value) whole = NULL;

	if (field->expand)
		TRY(reason_error(path, field->expand(&whole, value)));
	return read_kind(field, target, whole ? whole : value, flags, path);
}

static const Field *find_field(const Field *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static fallible refuse_unknown(const Field *table, const Value *object, const Path *path)
{
	const char *key;
	size_t cursor = 0;

	while (value_each(object, &cursor, &key, NULL))
		if (!find_field(table, key))
			return member_error(path, key, "is unknown");
	return NULL;
}

static fallible read_object(const Field *table, void *target, const Value *object, int flags, const Path *path)
{
	if (!value_is_object(object))
		return kind_error(path, "an object", object);
	if (flags & FIELDS_STRICT)
		TRY(refuse_unknown(table, object, path));
	for (const Field *field = table; field->name; field++) {
		Value *value = value_get(object, field->name);
		if (!value_is_null(value))
			TRY(read_field(field, target, value, flags, &(Path){.above = path, .name = field->name}));
		else if (field->required)
			return member_error(path, field->name, "is missing");
	}
	return NULL;
}

Error *fields_read(const Field *table, void *target, const Value *object, int flags)
{
	return read_object(table, target, object, flags, NULL);
}

Error *fields_read_text(const Field *table, void *target, const char *what, const char *text, size_t length, int flags)
{
	autoptr(Value) value = NULL;

	TRY_WRAP(value_parse(&value, text, length), "%s", what);
	TRY_WRAP(fields_read(table, target, value, flags), "%s", what);
	return NULL;
}
