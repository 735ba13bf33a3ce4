// SPDX-License-Identifier: Apache-2.0
/* Comparing, copying and freeing structs. */
#include "json/fields_internal.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

/* ---- comparing ---- */

static bool lists_equal(const StringList *a, const StringList *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool sets_equal(const StringList *a, const StringList *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!strings_has(b, a->items[i]))
			return false;
	return true;
}

static bool maps_equal(const StringMap *a, const StringMap *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!string_equal(a->items[i].value, map_get(b, a->items[i].key)))
			return false;
	return true;
}

static bool arrays_equal(const Field *field, const FieldArray *a, const FieldArray *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!fields_equal(field->sub, (const char *)a->items + i * field->sub_size,
			    (const char *)b->items + i * field->sub_size))
			return false;
	return true;
}

static bool owned_equal(const Field *field, const void *a, const void *b)
{
	return a && b ? fields_equal(field->sub, a, b) : a == b;
}

/* NULL and "" are told apart in memory, but not by a document that was written and read back. */
static bool texts_equal(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool slots_equal(const Field *field, const void *a, const void *b)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case FIELD_INT:
	case FIELD_NANO:
	case FIELD_DURATION:
	case FIELD_BYTES:
		return *(const int64_t *)a == *(const int64_t *)b;
	case FIELD_STRING:
		return texts_equal(*(char *const *)a, *(char *const *)b);
	case FIELD_STRINGS:
	case FIELD_WORDS:
		return lists_equal(a, b);
	case FIELD_SET:
		return sets_equal(a, b);
	case FIELD_MAP:
		return maps_equal(a, b);
	case FIELD_ENUM:
		return *(const int *)a == *(const int *)b;
	case FIELD_OBJECT:
		return fields_equal(field->sub, a, b);
	case FIELD_OBJECT_OR_NULL:
		return owned_equal(field, *(void *const *)a, *(void *const *)b);
	case FIELD_ARRAY:
		return arrays_equal(field, a, b);
	case FIELD_VALUE:
		return value_equal(*(Value *const *)a, *(Value *const *)b);
	}
	return false;
}

bool fields_equal(const Field *table, const void *a, const void *b)
{
	for (; table->name; table++)
		if (!slots_equal(table, slot_of(table, a), slot_of(table, b)))
			return false;
	return true;
}

/* ---- copying and freeing ---- */

void array_clear(const Field *field, FieldArray *array)
{
	for (size_t i = 0; i < array->count; i++)
		fields_clear(field->sub, (char *)array->items + i * field->sub_size);
	free(array->items);
	*array = (FieldArray){0};
}

static void copy_array(const Field *field, FieldArray *to, const FieldArray *from)
{
	FieldArray copy = {.count = from->count};

	if (copy.count)
		copy.items = mem_alloc(copy.count * field->sub_size);
	for (size_t i = 0; i < copy.count; i++)
		fields_copy(field->sub, (char *)copy.items + i * field->sub_size,
			(const char *)from->items + i * field->sub_size);
	array_clear(field, to);
	*to = copy;
}

static void clear_owned(const Field *field, void **slot)
{
	if (*slot)
		fields_clear(field->sub, *slot);
	free(*slot);
	*slot = NULL;
}

static void copy_owned(const Field *field, void **to, const void *from)
{
	if (!from) {
		clear_owned(field, to);
		return;
	}
	if (!*to)
		*to = mem_alloc(field->sub_size);
	fields_copy(field->sub, *to, from);
}

static void copy_value(Value **to, const Value *from)
{
	Value *copy = from ? value_copy(from) : NULL;

	value_free(*to);
	*to = copy;
}

static void copy_slot(const Field *field, void *to, const void *from)
{
	switch (field->kind) {
	case FIELD_BOOL:
		*(bool *)to = *(const bool *)from;
		break;
	case FIELD_INT:
	case FIELD_NANO:
	case FIELD_DURATION:
	case FIELD_BYTES:
		*(int64_t *)to = *(const int64_t *)from;
		break;
	case FIELD_STRING:
		string_replace(to, *(char *const *)from);
		break;
	case FIELD_STRINGS:
	case FIELD_WORDS:
	case FIELD_SET:
		strings_copy(to, from);
		break;
	case FIELD_MAP:
		map_copy(to, from);
		break;
	case FIELD_ENUM:
		*(int *)to = *(const int *)from;
		break;
	case FIELD_OBJECT:
		fields_copy(field->sub, to, from);
		break;
	case FIELD_OBJECT_OR_NULL:
		copy_owned(field, to, *(void *const *)from);
		break;
	case FIELD_ARRAY:
		copy_array(field, to, from);
		break;
	case FIELD_VALUE:
		copy_value(to, *(Value *const *)from);
		break;
	}
}

void fields_copy(const Field *table, void *to, const void *from)
{
	if (to == from)
		return;
	for (; table->name; table++)
		copy_slot(table, slot_of(table, to), slot_of(table, from));
}

static void clear_slot(const Field *field, void *slot)
{
	switch (field->kind) {
	case FIELD_BOOL:
		*(bool *)slot = false;
		break;
	case FIELD_INT:
	case FIELD_NANO:
	case FIELD_DURATION:
	case FIELD_BYTES:
		*(int64_t *)slot = 0;
		break;
	case FIELD_STRING:
		string_replace(slot, NULL);
		break;
	case FIELD_STRINGS:
	case FIELD_WORDS:
	case FIELD_SET:
		strings_clear(slot);
		break;
	case FIELD_MAP:
		map_clear(slot);
		break;
	case FIELD_ENUM:
		*(int *)slot = 0;
		break;
	case FIELD_OBJECT:
		fields_clear(field->sub, slot);
		break;
	case FIELD_OBJECT_OR_NULL:
		clear_owned(field, slot);
		break;
	case FIELD_ARRAY:
		array_clear(field, slot);
		break;
	case FIELD_VALUE:
		*(Value **)slot = value_free(*(Value **)slot);
		break;
	}
}

void fields_clear(const Field *table, void *target)
{
	for (; table->name; table++)
		clear_slot(table, slot_of(table, target));
}
