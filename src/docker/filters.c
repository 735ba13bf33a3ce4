// SPDX-License-Identifier: Apache-2.0
#include "docker/filters.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "json/value.h"

/* ---- reading ---- */

static fallible check_name(const char *name, const char *const *known)
{
	for (; *known; known++)
		if (string_equal(*known, name))
			return NULL;
	return error_new(ERROR_INVALID, "invalid filter '%.64s'", name);
}

static fallible read_list(StringList *ret, const char *name, const Value *list)
{
	for (size_t i = 0; i < value_count(list); i++) {
		const char *text = value_string(value_at(list, i));
		if (!text)
			return error_new(ERROR_INVALID, "filter \"%.64s\": values must be strings", name);
		strings_add(ret, text);
	}
	return NULL;
}

static void read_keys(StringList *ret, const Value *object)
{
	size_t cursor = 0;
	const char *key;
	Value *value;

	while (value_each(object, &cursor, &key, &value))
		if (value_bool(value, false))
			strings_add(ret, key);
}

static fallible read_filter(Filter *filter, const Value *value)
{
	if (value_count(value) > FILTER_VALUES_MAX)
		return error_new(
			ERROR_INVALID, "filter \"%.64s\" has more than %d values", filter->name, FILTER_VALUES_MAX);
	if (value_is_array(value))
		return read_list(&filter->values, filter->name, value);
	if (!value_is_object(value))
		return error_new(ERROR_INVALID, "filter \"%.64s\" must be an array of strings, not %s", filter->name,
			value_kind_name(value));
	read_keys(&filter->values, value);
	return NULL;
}

static fallible read_filters(Filters *ret, const Value *root, const char *const *known)
{
	size_t cursor = 0;
	const char *name;
	Value *value;

	while (value_each(root, &cursor, &name, &value)) {
		TRY(check_name(name, known));
		ret->items = mem_array(ret->items, ret->count + 1, sizeof(Filter));
		ret->items[ret->count++] = (Filter){.name = mem_strdup(name)};
		TRY(read_filter(&ret->items[ret->count - 1], value));
	}
	return NULL;
}

fallible filters_parse(Filters *ret, const char *text, const char *const *known)
{
	autoptr(Value) root = NULL;
	autoclear(Filters) filters = {0};

	if (string_empty(text))
		return NULL;
	TRY_WRAP(value_parse(&root, text, strlen(text)), "query parameter \"filters\"");
	if (!value_is_object(root))
		return error_new(
			ERROR_INVALID, "query parameter \"filters\" must be an object, not %s", value_kind_name(root));
	TRY(read_filters(&filters, root, known));
	*ret = filters;
	filters = (Filters){0}; /* handed on */
	return NULL;
}

fallible filters_read(Filters *ret, const HttpRequest *request, const char *const *known)
{
	return filters_parse(ret, http_request_query(request, "filters"), known);
}

void filters_clear(Filters *filters)
{
	for (size_t i = 0; i < filters->count; i++) {
		free(filters->items[i].name);
		strings_clear(&filters->items[i].values);
	}
	free(filters->items);
	*filters = (Filters){0};
}

/* ---- asking ---- */

const StringList *filters_values(const Filters *filters, const char *name)
{
	for (size_t i = 0; i < filters->count; i++)
		if (string_equal(filters->items[i].name, name) && filters->items[i].values.count > 0)
			return &filters->items[i].values;
	return NULL;
}

bool filters_exact(const Filters *filters, const char *name, const char *value)
{
	const StringList *values = filters_values(filters, name);

	return !values || strings_has(values, value);
}

/* How often the C library copies what the repetition at c repeats; 1: none begins there. */
static long repeat_copies(const char *c)
{
	long copies = *c == '+' ? 2 : 1;

	if (*c != '{')
		return copies;
	for (c++; *c && *c != '}'; c += isdigit((unsigned char)*c) ? strspn(c, "0123456789") : 1)
		if (isdigit((unsigned char)*c) && strtol(c, NULL, 10) > copies)
			copies = strtol(c, NULL, 10);
	return copies;
}

/* Repetitions of repetitions take memory by what they multiply to, and a reference backwards takes time by the power
 * of the text's length: neither is for a daemon to give. */
static bool is_cheap(const char *pattern)
{
	long all = 1, largest = 1;

	if (strlen(pattern) > FILTER_PATTERN_MAX)
		return false;
	for (const char *c = pattern; *c; c++) {
		long copies = repeat_copies(c);
		bool is_nested = c > pattern && strchr(")+*?}", c[-1]);
		if (*c == '\\' && isdigit((unsigned char)c[1]))
			return false;
		if (copies > FILTER_REPEATS_MAX)
			return false;
		all *= is_nested ? copies : 1;
		largest = !is_nested && copies > largest ? copies : largest;
		if (all * largest > FILTER_REPEATS_MAX)
			return false;
	}
	return true;
}

/* One that is no expression, or too dear, is a text. */
static bool pattern_fits(const char *pattern, const char *text)
{
	regex_t compiled;
	bool fits;

	if (!is_cheap(pattern) || regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB))
		return string_equal(pattern, text);
	fits = regexec(&compiled, text, 0, NULL, 0) == 0;
	regfree(&compiled);
	return fits;
}

bool filters_pattern(const Filters *filters, const char *name, const char *text)
{
	const StringList *values = filters_values(filters, name);

	for (size_t i = 0; values && i < values->count; i++)
		if (pattern_fits(values->items[i], text))
			return true;
	return !values;
}

/* "key" or "key=value" */
static bool label_fits(const char *wanted, const StringMap *labels)
{
	const char *equals = strchr(wanted, '=');
	autofree char *key = equals ? mem_strndup(wanted, equals - wanted) : mem_strdup(wanted);
	const char *value = map_get(labels, key);

	return value && (!equals || string_equal(value, equals + 1));
}

bool filters_labels(const Filters *filters, const StringMap *labels)
{
	const StringList *wanted = filters_values(filters, "label");
	const StringList *unwanted = filters_values(filters, "label!");

	for (size_t i = 0; wanted && i < wanted->count; i++)
		if (!label_fits(wanted->items[i], labels))
			return false;
	for (size_t i = 0; unwanted && i < unwanted->count; i++)
		if (label_fits(unwanted->items[i], labels))
			return false;
	return true;
}

fallible filters_bool(const Filters *filters, const char *name, bool *ret_given, bool *ret)
{
	const StringList *values = filters_values(filters, name);
	const char *text = values ? values->items[0] : NULL;

	*ret_given = values != NULL;
	*ret = text && (string_equal(text, "true") || string_equal(text, "1"));
	if (!text || *ret || string_equal(text, "false") || string_equal(text, "0"))
		return NULL;
	return error_new(ERROR_INVALID, "invalid filter '%s=%.64s'", name, text);
}

fallible filters_until(const Filters *filters, int64_t *ret_ns)
{
	const StringList *values = filters_values(filters, "until");

	if (!values)
		return NULL;
	if (values->count > 1)
		return error_new(ERROR_INVALID, "more than one until filter specified");
	TRY_WRAP(clock_parse_point(ret_ns, values->items[0]), "filter \"until\"");
	return NULL;
}
