// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Field tables: a struct described once as an array of Field. Reading (with error paths like `ports[1]: field
 * "containerPort" is missing`), writing, comparing, copying and freeing are generic. One table serves API bodies,
 * stored records, manifests and configuration.
 *
 * A sub-table with offset 0 maps a nested JSON object onto the same flat struct ("HostConfig" of the Docker API).
 * Structs must start zeroed; fields_read() over a struct that holds values replaces those that the JSON has and keeps
 * the rest, so that defaults are set before reading. null reads as absent. Objects are read into member by member;
 * lists, maps and arrays are replaced as a whole. After a failure the struct holds what was read until then: clear it
 * as always. Quantities are written as plain integers, unless their field says otherwise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json/value.h"
#include "json/writer.h"

typedef enum FieldKind {
	FIELD_BOOL,    /* bool */
	FIELD_INT,     /* int64_t, within min..max unless both are 0 */
	FIELD_STRING,  /* char * */
	FIELD_STRINGS, /* StringList: array of strings */
	FIELD_WORDS,   /* StringList: array of strings, or one string that counts as one item (Cmd, Entrypoint) */
	FIELD_MAP,     /* StringMap: object of strings */
	FIELD_ENUM,    /* int: index into names */
	FIELD_OBJECT,  /* embedded struct, described by sub */
	FIELD_OBJECT_OR_NULL, /* pointer to an owned struct of sub_size, NULL when absent */
	FIELD_ARRAY,          /* FieldArray: array of structs, described by sub, sub_size each */
	FIELD_SET,      /* StringList from the keys of an object whose values are ignored ("Volumes": {"/x": {}}) */
	FIELD_NANO,     /* int64_t: a JSON number, or "0.5", times 1e9 (cpus, seconds); what counts nanos already is
			   FIELD_INT */
	FIELD_DURATION, /* int64_t ns: "1m30s" or a plain integer of nanoseconds */
	FIELD_BYTES,    /* int64_t: "64m" or a plain integer */
	FIELD_VALUE,    /* Value *: kept as it is */
} FieldKind;

typedef struct FieldArray {
	void *items;
	size_t count;
} FieldArray;

typedef struct Field Field;
struct Field {
	const char *name;
	FieldKind kind;
	size_t offset;
	const Field *sub;
	size_t sub_size;
	const char *const *names; /* FIELD_ENUM: name_count entries */
	size_t name_count;
	int64_t min, max;
	bool required;
	bool omit_empty;   /* not written when zero, empty or NULL */
	size_t max_count;  /* arrays, lists, maps: 0 means FIELDS_COUNT_MAX */
	size_t max_length; /* strings: 0 means FIELDS_STRING_MAX */
	bool as_text;      /* durations and sizes: written as "1m30s", "64m" */
	const char *text;  /* what it says, for schemas and documents: a sentence without its full stop */
	/*
	 * Shorter ways to write it, made into what is read: of the whole value (*ret stays NULL where it is as it
	 * should be already), of one item of an array (appends any number of items). An error is put behind the field's
	 * path.
	 */
	Error *(*expand)(Value **ret, const Value *value);
	Error *(*expand_item)(Value *array, Value *item);
};

#define FIELDS_END                                                                                                     \
	{                                                                                                              \
		.name = NULL, .kind = FIELD_BOOL                                                                       \
	}

enum { FIELDS_COUNT_MAX = 4096, FIELDS_STRING_MAX = 1 << 20 };
enum { FIELDS_STRICT = 1 }; /* an unknown field is an error that names it */

fallible fields_read(const Field *table, void *target, const Value *object, int flags);
/* Parses text first; what names the kind of document in errors. */
fallible fields_read_text(
	const Field *table, void *target, const char *what, const char *text, size_t length, int flags);
void fields_write(const Field *table, const void *source, Writer *writer, const char *key); /* as one object */
void fields_write_members(const Field *table, const void *source, Writer *writer);          /* into an open object */
bool fields_equal(const Field *table, const void *a, const void *b);
void fields_copy(const Field *table, void *to, const void *from); /* deep; replaces what `to` held */
void fields_clear(const Field *table, void *target);              /* frees and zeroes */
