// SPDX-License-Identifier: Apache-2.0
/*
 * YAML 1.2 with the core schema's scalars: null, true/false, whole numbers, decimals; everything else, and everything
 * quoted, is a string. Numbers with leading zeros stay strings: is 0644 octal? Tags name types that nobody here has:
 * they are refused. Aliases could multiply a small text into a huge value: they are refused as well, but where the
 * caller wants others' documents, and then what they come to is bounded.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

#include "base/memory.h"
#include "base/strings.h"
#include "base/table.h"
#include "json/value.h"

enum { YAML_TEXT_MAX = 1 << 20, ALIASED_MAX = 4 << 20, NODE_SIZE = 32 };

#define MERGE_KEY "<<"

typedef struct Reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	int depth;
	Table *anchors;  /* by name, what they stand for; NULL: they are refused */
	Value *anchored; /* the array that owns these */
	size_t aliased;  /* bytes that aliases have come to, about */
} Reader;

static void event_clear(Reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
}

static void reader_clear(Reader *reader)
{
	event_clear(reader);
	yaml_parser_delete(&reader->parser);
	table_free(reader->anchors);
	value_free(reader->anchored);
}
DEFINE_AUTOCLEAR(Reader, reader_clear)

static fallible yaml_error(yaml_mark_t at, const char *reason)
{
	return error_new(ERROR_INVALID, "invalid YAML: line %zu, column %zu: %s", at.line + 1, at.column + 1, reason);
}

static fallible next_event(Reader *reader)
{
	event_clear(reader);
	if (!yaml_parser_parse(&reader->parser, &reader->event))
		return yaml_error(
			reader->parser.problem_mark, reader->parser.problem ? reader->parser.problem : "not readable");
	reader->has_event = true;
	return NULL;
}

static fallible fail(Reader *reader, const char *reason)
{
	return yaml_error(reader->event.start_mark, reason);
}

/* ---- anchors and aliases ---- */

static fallible check_anchor(Reader *reader, const yaml_char_t *anchor)
{
	return anchor && !reader->anchors ? fail(reader, "anchors are not supported") : NULL;
}

/* From here on: a value cannot hold itself. */
static void note_anchor(Reader *reader, const char *anchor, Value *value)
{
	if (!anchor)
		return;
	value_append(reader->anchored, value_ref(value));
	table_set(reader->anchors, anchor, value);
}

static size_t size_of(const Value *value)
{
	const char *key, *text = value_string(value);
	Value *member;
	size_t cursor = 0, size = NODE_SIZE + (text ? strlen(text) : 0);

	while (value_is_object(value) && value_each(value, &cursor, &key, &member))
		size += strlen(key) + size_of(member);
	for (size_t i = 0; value_is_array(value) && i < value_count(value); i++)
		size += size_of(value_at(value, i));
	return size;
}

static int deeper(int a, int b)
{
	return a > b ? a : b;
}

static int depth_of(const Value *value)
{
	const char *key;
	Value *member;
	size_t cursor = 0;
	int deepest = 0;

	while (value_is_object(value) && value_each(value, &cursor, &key, &member))
		deepest = deeper(deepest, depth_of(member));
	for (size_t i = 0; value_is_array(value) && i < value_count(value); i++)
		deepest = deeper(deepest, depth_of(value_at(value, i)));
	return deepest + (value_is_object(value) || value_is_array(value));
}

static fallible read_alias(Value **ret, Reader *reader)
{
	const char *name = (const char *)reader->event.data.alias.anchor;
	const Value *value;

	if (!reader->anchors)
		return fail(reader, "aliases are not supported");
	value = table_get(reader->anchors, name);
	if (!value)
		return fail(reader, "an alias of nothing");
	reader->aliased += size_of(value);
	if (reader->aliased > ALIASED_MAX)
		return fail(reader, "aliases come to too much");
	if (reader->depth + depth_of(value) > VALUE_DEPTH_MAX)
		return fail(reader, "nested too deep");
	*ret = value_copy(value);
	return NULL;
}

/* ---- scalars ---- */

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (string_equal(text, *words))
			return true;
	return false;
}

/* "12", "-3": as JSON has them, with a plus sign allowed. */
static bool is_whole(const char *text)
{
	text += *text == '-' || *text == '+';
	size_t digits = strspn(text, "0123456789");
	return digits && !text[digits] && (digits == 1 || *text != '0');
}

/* "1.5", ".5", "1e3" */
static bool is_decimal(const char *text)
{
	text += *text == '-' || *text == '+';
	size_t whole = strspn(text, "0123456789");
	if (whole > 1 && *text == '0')
		return false;
	text += whole;
	size_t fraction = *text == '.' ? strspn(text + 1, "0123456789") : 0;
	text += *text == '.' ? fraction + 1 : 0;
	if (!whole && !fraction)
		return false;
	if (*text != 'e' && *text != 'E')
		return !*text;
	text++;
	text += *text == '-' || *text == '+';
	return *text && !text[strspn(text, "0123456789")];
}

/* 0 for numbers that are neither "0x1f" nor "0o17". */
static int base_of(const char *text)
{
	if (string_starts(text, "0x") && text[2] && !text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
		return 16;
	if (string_starts(text, "0o") && text[2] && !text[2 + strspn(text + 2, "01234567")])
		return 8;
	return 0;
}

static fallible read_whole(Value **ret, Reader *reader, const char *text, int base)
{
	errno = 0;
	long long number = strtoll(base == 10 ? text : text + 2, NULL, base);
	if (errno)
		return fail(reader, "number is too large");
	*ret = json_integer(number);
	return NULL;
}

static fallible read_decimal(Value **ret, Reader *reader, const char *text)
{
	double number = strtod(text, NULL);

	if (!isfinite(number))
		return fail(reader, "number is too large");
	*ret = json_real(number);
	return NULL;
}

static fallible read_plain(Value **ret, Reader *reader, const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const truths[] = {"true", "True", "TRUE", NULL};
	static const char *const lies[] = {"false", "False", "FALSE", NULL};

	if (is_one_of(text, nulls))
		*ret = json_null();
	else if (is_one_of(text, truths) || is_one_of(text, lies))
		*ret = json_boolean(is_one_of(text, truths));
	else if (is_whole(text))
		return read_whole(ret, reader, text, 10);
	else if (base_of(text))
		return read_whole(ret, reader, text, base_of(text));
	else if (is_decimal(text))
		return read_decimal(ret, reader, text);
	else
		*ret = json_string(text);
	return NULL;
}

static fallible check_tag(Reader *reader, const yaml_char_t *tag)
{
	if (tag && !string_equal((const char *)tag, YAML_STR_TAG) && !string_equal((const char *)tag, "!"))
		return fail(reader, "tags are not supported");
	return NULL;
}

static fallible read_scalar(Value **ret, Reader *reader)
{
	const char *text = (const char *)reader->event.data.scalar.value;
	bool is_plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	TRY(check_anchor(reader, reader->event.data.scalar.anchor));
	TRY(check_tag(reader, reader->event.data.scalar.tag));
	if (strlen(text) != reader->event.data.scalar.length)
		return fail(reader, "text holds a NUL character");
	if (is_plain && !reader->event.data.scalar.tag)
		return read_plain(ret, reader, text);
	*ret = json_string(text);
	return NULL;
}

/* ---- collections ---- */

static fallible read_node(Value **ret, Reader *reader);

static fallible enter(Reader *reader, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	TRY(check_anchor(reader, anchor));
	if (tag)
		return fail(reader, "tags are not supported");
	if (++reader->depth > VALUE_DEPTH_MAX)
		return fail(reader, "nested too deep");
	return NULL;
}

static fallible read_sequence(Value **ret, Reader *reader)
{
	autoptr(Value) array = json_array();

	TRY(enter(reader, reader->event.data.sequence_start.anchor, reader->event.data.sequence_start.tag));
	for (;;) {
		Value *item = NULL;
		TRY(next_event(reader));
		if (reader->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		TRY(read_node(&item, reader));
		value_append(array, item);
	}
	reader->depth--;
	*ret = take(array);
	return NULL;
}

/* The key's text as it is written: 8080 is "8080". */
static fallible read_key(char **ret, Reader *reader, const Value *object)
{
	Value *checked = NULL;

	if (reader->event.type == YAML_ALIAS_EVENT)
		return fail(reader, "aliases are not supported");
	if (reader->event.type != YAML_SCALAR_EVENT)
		return fail(reader, "a key must be plain text");
	TRY(read_scalar(&checked, reader));
	value_free(checked);
	const char *key = (const char *)reader->event.data.scalar.value;
	if (value_get(object, key)) {
		autofree char *reason = string_printf("duplicate key \"%s\"", key);
		return fail(reader, reason);
	}
	*ret = mem_strdup(key);
	return NULL;
}

/* What the mapping itself says goes first, then what was named first. Source: yaml.org/type/merge.html */
static void merge_one(Value *object, const Value *from)
{
	const char *key;
	Value *member;

	for (size_t i = 0; value_is_array(from) && i < value_count(from); i++)
		merge_one(object, value_at(from, i));
	for (size_t cursor = 0; value_is_object(from) && value_each(from, &cursor, &key, &member);)
		if (!value_get(object, key))
			value_set(object, key, value_ref(member));
}

static void merge_all(Value *object, const Value *merged)
{
	for (size_t i = 0; i < value_count(merged); i++)
		merge_one(object, value_at(merged, i));
}

static fallible read_mapping(Value **ret, Reader *reader)
{
	autoptr(Value) object = json_object();
	autoptr(Value) merged = json_array();

	TRY(enter(reader, reader->event.data.mapping_start.anchor, reader->event.data.mapping_start.tag));
	for (;;) {
		autofree char *key = NULL;
		Value *value = NULL;
		TRY(next_event(reader));
		if (reader->event.type == YAML_MAPPING_END_EVENT)
			break;
		TRY(read_key(&key, reader, object));
		TRY(next_event(reader));
		TRY(read_node(&value, reader));
		if (reader->anchors && string_equal(key, MERGE_KEY))
			value_append(merged, value);
		else
			value_set(object, key, value);
	}
	merge_all(object, merged);
	reader->depth--;
	*ret = take(object);
	return NULL;
}

static const char *anchor_of(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)event->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static fallible read_by_kind(Value **ret, Reader *reader)
{
	switch (reader->event.type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(ret, reader);
	case YAML_SEQUENCE_START_EVENT:
		return read_sequence(ret, reader);
	case YAML_MAPPING_START_EVENT:
		return read_mapping(ret, reader);
	case YAML_ALIAS_EVENT:
		return read_alias(ret, reader);
	default:
		return fail(reader, "not a value");
	}
}

static fallible read_node(Value **ret, Reader *reader)
{
	const char *name = anchor_of(&reader->event);
	autofree char *anchor = name ? mem_strdup(name) : NULL;

	TRY(read_by_kind(ret, reader));
	note_anchor(reader, anchor, *ret);
	return NULL;
}

/* ---- the document ---- */

static fallible read_document(Value **ret, Reader *reader)
{
	autoptr(Value) value = NULL;

	TRY(next_event(reader)); /* the stream's start */
	TRY(next_event(reader));
	if (reader->event.type == YAML_STREAM_END_EVENT) {
		*ret = json_null();
		return NULL;
	}
	TRY(next_event(reader));
	TRY(read_node(&value, reader));
	TRY(next_event(reader)); /* the document's end */
	TRY(next_event(reader));
	if (reader->event.type != YAML_STREAM_END_EVENT)
		return fail(reader, "more than one document");
	*ret = take(value);
	return NULL;
}

/* libyaml knows neither JSON's surrogate pairs nor its long keys: what looks like JSON goes to that parser first. */
static bool parse_as_json(Value **ret, const char *text, size_t length)
{
	size_t space = 0;

	while (space < length && strchr(" \t\r\n", text[space]) && text[space])
		space++;
	if (space == length || (text[space] != '{' && text[space] != '['))
		return false;
	return !error_free(value_parse(ret, text, length)) &&
	       *ret; /* why it is no JSON does not matter: it may be YAML */
}

static fallible parse(Value **ret, const char *text, size_t length, size_t max, bool has_aliases)
{
	autoclear(Reader) reader = {0};
	Value *value = NULL;

	if (length > max)
		return error_new(ERROR_TOO_LARGE, "YAML text is larger than %zu bytes", max);
	if (parse_as_json(&value, text, length)) {
		*ret = value;
		return NULL;
	}
	if (!yaml_parser_initialize(&reader.parser))
		return error_new(ERROR_UNAVAILABLE, "could not make a YAML parser");
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	reader.anchors = has_aliases ? table_new() : NULL;
	reader.anchored = has_aliases ? json_array() : NULL;
	return read_document(ret, &reader);
}

Error *value_parse_yaml(Value **ret, const char *text, size_t length)
{
	return parse(ret, text, length, YAML_TEXT_MAX, false);
}

Error *value_parse_yaml_long(Value **ret, const char *text, size_t length, size_t max)
{
	return parse(ret, text, length, max, false);
}

Error *value_parse_yaml_aliased(Value **ret, const char *text, size_t length)
{
	return parse(ret, text, length, YAML_TEXT_MAX, true);
}
