// SPDX-License-Identifier: Apache-2.0
/* What may stand after {{: functions on values, and how values are printed. */
#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "cli/template.h"

/* ---- printing ---- */

StringList template_sorted_keys(const Value *object)
{
	StringList keys = {0};
	const char *key;
	Value *member;
	size_t cursor = 0;

	while (value_each(object, &cursor, &key, &member))
		strings_add(&keys, key);
	strings_sort(&keys);
	return keys;
}

static void print_array(Buffer *out, const Value *value)
{
	buffer_add_char(out, '[');
	for (size_t i = 0; i < value_count(value); i++) {
		if (i > 0)
			buffer_add_char(out, ' ');
		template_print(out, value_at(value, i));
	}
	buffer_add_char(out, ']');
}

static void print_object(Buffer *out, const Value *value)
{
	autoclear(StringList) keys = template_sorted_keys(value);

	buffer_add_text(out, "map[");
	for (size_t i = 0; i < keys.count; i++) {
		buffer_printf(out, "%s%s:", i > 0 ? " " : "", keys.items[i]);
		template_print(out, value_get(value, keys.items[i]));
	}
	buffer_add_char(out, ']');
}

void template_print(Buffer *out, const Value *value)
{
	if (value_is_null(value))
		buffer_add_text(out, "<no value>");
	else if (value_is_string(value))
		buffer_add_text(out, value_string(value));
	else if (value_is_array(value))
		print_array(out, value);
	else if (value_is_object(value))
		print_object(out, value);
	else
		value_write(value, out);
}

static Value *value_of_buffer(const Buffer *text)
{
	return value_new_string(buffer_text(text));
}

bool template_truth(const Value *value)
{
	if (value_is_null(value))
		return false;
	if (value_is_bool(value))
		return value_bool(value, false);
	if (value_is_string(value))
		return value_string(value)[0] != '\0';
	if (value_is_number(value))
		return value_double(value, 0) != 0;
	return value_count(value) > 0;
}

/* ---- text ---- */

static fallible call_json(Value **ret, const TemplateArguments *arguments)
{
	autoclear(Buffer) text = {0};

	if (arguments->items[0])
		value_write(arguments->items[0], &text);
	else
		buffer_add_text(&text, "null");
	*ret = value_of_buffer(&text);
	return NULL;
}

static fallible call_print(Value **ret, const TemplateArguments *arguments)
{
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < arguments->count; i++)
		template_print(&text, arguments->items[i]);
	*ret = value_of_buffer(&text);
	return NULL;
}

static fallible call_println(Value **ret, const TemplateArguments *arguments)
{
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < arguments->count; i++) {
		if (i > 0)
			buffer_add_char(&text, ' ');
		template_print(&text, arguments->items[i]);
	}
	buffer_add_char(&text, '\n');
	*ret = value_of_buffer(&text);
	return NULL;
}

static fallible need_string(const char **ret, const char *function, const Value *value)
{
	if (!value_is_string(value))
		return error_new(
			ERROR_INVALID, "function \"%s\" needs a string, not %s", function, value_kind_name(value));
	*ret = value_string(value);
	return NULL;
}

static fallible change_case(Value **ret, const char *function, const Value *value, int (*change)(int))
{
	const char *text = NULL;

	TRY(need_string(&text, function, value));
	autofree char *copy = mem_strdup(text);
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < 0x80)
			*c = (char)change(*c);
	*ret = value_new_string(copy);
	return NULL;
}

static fallible call_upper(Value **ret, const TemplateArguments *arguments)
{
	return change_case(ret, "upper", arguments->items[0], toupper);
}

static fallible call_lower(Value **ret, const TemplateArguments *arguments)
{
	return change_case(ret, "lower", arguments->items[0], tolower);
}

static fallible call_join(Value **ret, const TemplateArguments *arguments)
{
	const Value *list = arguments->items[0];
	const char *separator = NULL;
	autoclear(Buffer) text = {0};

	TRY(need_string(&separator, "join", arguments->items[1]));
	if (!value_is_array(list) && !value_is_null(list))
		return error_new(ERROR_INVALID, "function \"join\" needs a list, not %s", value_kind_name(list));
	for (size_t i = 0; i < value_count(list); i++) {
		if (i > 0)
			buffer_add_text(&text, separator);
		template_print(&text, value_at(list, i));
	}
	*ret = value_of_buffer(&text);
	return NULL;
}

static fallible call_split(Value **ret, const TemplateArguments *arguments)
{
	const char *text = NULL, *separator = NULL, *end;

	TRY(need_string(&text, "split", arguments->items[0]));
	TRY(need_string(&separator, "split", arguments->items[1]));
	Value *list = value_array();
	while (separator[0] && (end = strstr(text, separator))) {
		autofree char *part = mem_strndup(text, (size_t)(end - text));
		value_append(list, value_new_string(part));
		text = end + strlen(separator);
	}
	value_append(list, value_new_string(text));
	*ret = list;
	return NULL;
}

/* ---- collections ---- */

static fallible call_len(Value **ret, const TemplateArguments *arguments)
{
	const Value *value = arguments->items[0];

	if (value_is_string(value))
		*ret = value_new_int((int64_t)strlen(value_string(value)));
	else if (value_is_array(value) || value_is_object(value))
		*ret = value_new_int((int64_t)value_count(value));
	else
		return error_new(
			ERROR_INVALID, "function \"len\" needs a string or a list, not %s", value_kind_name(value));
	return NULL;
}

/* As Go has it: an index outside is an error, a key that is not there an empty value. */
static fallible index_once(const Value **at, const Value *key)
{
	if (value_is_object(*at) && value_is_string(key)) {
		*at = value_get(*at, value_string(key));
		return NULL;
	}
	if (!value_is_array(*at) || !value_is_number(key))
		return error_new(ERROR_INVALID, "function \"index\" cannot look into %s by %s", value_kind_name(*at),
			value_kind_name(key));
	int64_t index = value_int(key, -1);
	if (index < 0 || (size_t)index >= value_count(*at))
		return error_new(ERROR_INVALID, "function \"index\": %lld is outside of a list of %zu",
			(long long)index, value_count(*at));
	*at = value_at(*at, (size_t)index);
	return NULL;
}

static fallible call_index(Value **ret, const TemplateArguments *arguments)
{
	const Value *at = arguments->items[0];

	for (size_t i = 1; i < arguments->count; i++)
		TRY(index_once(&at, arguments->items[i]));
	*ret = at ? value_ref((Value *)at) : value_new_string("");
	return NULL;
}

/* ---- truth ---- */

static fallible call_eq(Value **ret, const TemplateArguments *arguments)
{
	bool equal = false;

	for (size_t i = 1; i < arguments->count && !equal; i++)
		equal = arguments->items[0] && arguments->items[i] &&
			value_equal(arguments->items[0], arguments->items[i]);
	*ret = value_new_bool(equal);
	return NULL;
}

static fallible call_ne(Value **ret, const TemplateArguments *arguments)
{
	autoptr(Value) equal = NULL;

	TRY(call_eq(&equal, arguments));
	*ret = value_new_bool(!value_bool(equal, false));
	return NULL;
}

static fallible call_not(Value **ret, const TemplateArguments *arguments)
{
	*ret = value_new_bool(!template_truth(arguments->items[0]));
	return NULL;
}

/* The first argument whose truth is the wanted one, else the last. */
static void choose(Value **ret, const TemplateArguments *arguments, bool wanted)
{
	size_t i = 0;

	while (i + 1 < arguments->count && template_truth(arguments->items[i]) != wanted)
		i++;
	*ret = arguments->items[i] ? value_ref(arguments->items[i]) : NULL;
}

static fallible call_and(Value **ret, const TemplateArguments *arguments)
{
	choose(ret, arguments, false);
	return NULL;
}

static fallible call_or(Value **ret, const TemplateArguments *arguments)
{
	choose(ret, arguments, true);
	return NULL;
}

static const TemplateFunction functions[] = {
	{"json", 1, 1, call_json},
	{"print", 0, TEMPLATE_ARGUMENTS_MAX, call_print},
	{"println", 0, TEMPLATE_ARGUMENTS_MAX, call_println},
	{"upper", 1, 1, call_upper},
	{"lower", 1, 1, call_lower},
	{"join", 2, 2, call_join},
	{"split", 2, 2, call_split},
	{"len", 1, 1, call_len},
	{"index", 1, TEMPLATE_ARGUMENTS_MAX, call_index},
	{"eq", 2, TEMPLATE_ARGUMENTS_MAX, call_eq},
	{"ne", 2, 2, call_ne},
	{"not", 1, 1, call_not},
	{"and", 1, TEMPLATE_ARGUMENTS_MAX, call_and},
	{"or", 1, TEMPLATE_ARGUMENTS_MAX, call_or},
};

const TemplateFunction *template_function_find(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strlen(functions[i].name) == length && strncmp(functions[i].name, name, length) == 0)
			return &functions[i];
	return NULL;
}
