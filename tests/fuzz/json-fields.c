// SPDX-License-Identifier: Apache-2.0
/* A struct of every kind of field: what is read can be written, read again, copied and compared. */
#include "json/fields.h"

#include "fuzz.h"

typedef struct Inner {
	int64_t number;
	char *text;
} Inner;

typedef struct Outer {
	bool truth;
	int64_t number, nano, duration, bytes;
	char *text;
	StringList strings, words, set;
	StringMap map;
	int choice;
	Inner inner;
	Inner *owned;
	FieldArray array;
	Value *value;
} Outer;

static const char *const choices[] = {"", "one", "two"};

static const Field inner_fields[] = {
	{.name = "n", .kind = FIELD_INT, .offset = offsetof(Inner, number), .min = 1, .max = 65535, .required = true},
	{.name = "t", .kind = FIELD_STRING, .offset = offsetof(Inner, text), .omit_empty = true, .max_length = 16},
	FIELDS_END,
};

#define OUTER(field_name, field_kind, member) .name = field_name, .kind = field_kind, .offset = offsetof(Outer, member)

static const Field outer_fields[] = {
	{OUTER("truth", FIELD_BOOL, truth)},
	{OUTER("number", FIELD_INT, number)},
	{OUTER("nano", FIELD_NANO, nano)},
	{OUTER("duration", FIELD_DURATION, duration)},
	{OUTER("bytes", FIELD_BYTES, bytes), .omit_empty = true},
	{OUTER("text", FIELD_STRING, text)},
	{OUTER("strings", FIELD_STRINGS, strings), .max_count = 4},
	{OUTER("words", FIELD_WORDS, words)},
	{OUTER("set", FIELD_SET, set)},
	{OUTER("map", FIELD_MAP, map)},
	{OUTER("choice", FIELD_ENUM, choice), .names = choices, .name_count = 3},
	{OUTER("inner", FIELD_OBJECT, inner), .sub = inner_fields, .sub_size = sizeof(Inner), .omit_empty = true},
	{OUTER("owned", FIELD_OBJECT_OR_NULL, owned), .sub = inner_fields, .sub_size = sizeof(Inner)},
	{OUTER("array", FIELD_ARRAY, array), .sub = inner_fields, .sub_size = sizeof(Inner)},
	{OUTER("value", FIELD_VALUE, value), .omit_empty = true},
	FIELDS_END,
};

static void check_round_trip(const Outer *outer)
{
	Outer again = {0}, copy = {0};
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(outer_fields, outer, &writer, NULL);
	must_hold(!fields_read_text(outer_fields, &again, "again", text.data, text.length, FIELDS_STRICT));
	must_hold(fields_equal(outer_fields, outer, &again));
	fields_copy(outer_fields, &copy, outer);
	must_hold(fields_equal(outer_fields, &copy, &again));
	fields_clear(outer_fields, &copy);
	fields_clear(outer_fields, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Outer outer = {0};
	Error *error = fields_read_text(outer_fields, &outer, "input", (const char *)data, size, 0);

	if (error)
		error_free(error);
	else
		check_round_trip(&outer);
	fields_clear(outer_fields, &outer);
	return 0;
}
