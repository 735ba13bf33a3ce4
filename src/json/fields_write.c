// SPDX-License-Identifier: Apache-2.0
/* From structs to documents. */
#include "json/fields_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

static bool is_empty(const Field *field, const void *slot)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return !*(const bool *)slot;
	case FIELD_INT:
	case FIELD_NANO:
	case FIELD_DURATION:
	case FIELD_BYTES:
		return !*(const int64_t *)slot;
	case FIELD_STRING:
		return string_empty(*(char *const *)slot);
	case FIELD_STRINGS:
	case FIELD_WORDS:
	case FIELD_SET:
		return !((const StringList *)slot)->count;
	case FIELD_MAP:
		return !((const StringMap *)slot)->count;
	case FIELD_ENUM:
		return !*(const int *)slot;
	case FIELD_ARRAY:
		return !((const FieldArray *)slot)->count;
	case FIELD_OBJECT_OR_NULL:
	case FIELD_VALUE:
		return !*(void *const *)slot;
	case FIELD_OBJECT:
		break;
	}
	for (const Field *member = field->sub; member->name; member++)
		if (!is_empty(member, slot_of(member, slot)))
			return false;
	return true;
}

static void write_set(Writer *writer, const char *key, const StringList *list)
{
	write_object(writer, key);
	for (size_t i = 0; i < list->count; i++)
		write_raw(writer, list->items[i], "{}");
	write_object_end(writer);
}

/* "1.5": all nine decimals are exact, which a double's would not be. */
static void write_nano(Writer *writer, const char *key, int64_t nanos)
{
	uint64_t magnitude = nanos < 0 ? -(uint64_t)nanos : (uint64_t)nanos;
	autofree char *text = string_printf("%s%llu.%09llu", nanos < 0 ? "-" : "",
		(unsigned long long)(magnitude / 1000000000), (unsigned long long)(magnitude % 1000000000));
	size_t length = strlen(text);

	while (text[length - 1] == '0')
		length--;
	if (text[length - 1] == '.')
		length--;
	text[length] = '\0';
	write_raw(writer, key, text);
}

/* In the largest unit that it is a whole number of. */
static void write_bytes(Writer *writer, const char *key, int64_t bytes)
{
	static const char units[] = "bkmgt";
	int unit = 0;

	while (bytes && bytes % 1024 == 0 && units[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	if (unit == 0 || bytes < 0)
		write_int(writer, key, bytes * (INT64_C(1) << (10 * unit)));
	else
		write_stringf(writer, key, "%lld%c", (long long)bytes, units[unit]);
}

static void write_quantity(const Field *field, int64_t number, Writer *writer)
{
	char text[CLOCK_TEXT_MAX];

	if (!field->as_text)
		return write_int(writer, field->name, number);
	if (field->kind == FIELD_BYTES)
		return write_bytes(writer, field->name, number);
	clock_format_duration(text, number);
	write_string(writer, field->name, text);
}

static void write_owned(const Field *field, const void *owned, Writer *writer)
{
	if (owned)
		fields_write(field->sub, owned, writer, field->name);
	else
		write_null(writer, field->name);
}

static void write_items(const Field *field, const FieldArray *array, Writer *writer)
{
	write_array(writer, field->name);
	for (size_t i = 0; i < array->count; i++)
		fields_write(field->sub, (const char *)array->items + i * field->sub_size, writer, NULL);
	write_array_end(writer);
}

static void write_name(const Field *field, int index, Writer *writer)
{
	bool is_known = index >= 0 && (size_t)index < field->name_count;

	write_string(writer, field->name, is_known ? field->names[index] : "");
}

static void write_field(const Field *field, const void *slot, Writer *writer)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return write_bool(writer, field->name, *(const bool *)slot);
	case FIELD_INT:
	case FIELD_DURATION:
	case FIELD_BYTES:
		return write_quantity(field, *(const int64_t *)slot, writer);
	case FIELD_NANO:
		return write_nano(writer, field->name, *(const int64_t *)slot);
	case FIELD_STRING:
		return write_string(writer, field->name, *(char *const *)slot);
	case FIELD_STRINGS:
	case FIELD_WORDS:
		return write_strings(writer, field->name, slot);
	case FIELD_SET:
		return write_set(writer, field->name, slot);
	case FIELD_MAP:
		return write_map(writer, field->name, slot);
	case FIELD_ENUM:
		return write_name(field, *(const int *)slot, writer);
	case FIELD_OBJECT:
		return fields_write(field->sub, slot, writer, field->name);
	case FIELD_OBJECT_OR_NULL:
		return write_owned(field, *(void *const *)slot, writer);
	case FIELD_ARRAY:
		return write_items(field, slot, writer);
	case FIELD_VALUE:
		return write_value(writer, field->name, *(Value *const *)slot);
	}
}

void fields_write(const Field *table, const void *source, Writer *writer, const char *key)
{
	write_object(writer, key);
	fields_write_members(table, source, writer);
	write_object_end(writer);
}

void fields_write_members(const Field *table, const void *source, Writer *writer)
{
	for (; table->name; table++) {
		const void *slot = slot_of(table, source);
		if (!table->omit_empty || !is_empty(table, slot))
			write_field(table, slot, writer);
	}
}
