// SPDX-License-Identifier: Apache-2.0
#include "http/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* pattern is at a '{'; gives what follows the '}'. */
static const char *read_param(RouteParam *param, bool *ret_is_rest, const char *pattern)
{
	const char *end = strchr(pattern, '}');

	param->name = pattern + 1;
	param->name_length = end - pattern - 1;
	*ret_is_rest = param->name_length > 3 && !strncmp(end - 3, "...", 3);
	if (*ret_is_rest)
		param->name_length -= 3;
	return end + 1;
}

static size_t value_length(bool is_rest, const char *tail, const char *path)
{
	size_t length = strlen(path), tail_length = strlen(tail);

	if (!is_rest)
		return strcspn(path, "/");
	return length > tail_length ? length - tail_length : 0;
}

bool route_match(RouteMatch *ret, const char *pattern, const char *path)
{
	ret->count = 0;
	while (*pattern) {
		RouteParam *param = &ret->params[ret->count];
		bool is_rest;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		if (ret->count++ == ROUTE_PARAMS_MAX)
			return false;
		pattern = read_param(param, &is_rest, pattern);
		param->value = path;
		param->value_length = value_length(is_rest, pattern, path);
		if (param->value_length == 0)
			return false;
		path += param->value_length;
	}
	return *path == '\0';
}

const HttpRoute *route_find(RouteMatch *ret, const HttpRoute *routes, const char *method, const char *path)
{
	if (string_equal(method, "HEAD"))
		method = "GET";
	for (const HttpRoute *route = routes; route->method; route++)
		if (string_equal(route->method, method) && route_match(ret, route->path, path))
			return route;
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape at text stands for; -1 when it is none, or NUL. */
static int read_escape(const char *text, size_t length)
{
	int high = length > 2 ? hex_digit(text[1]) : -1;
	int low = length > 2 ? hex_digit(text[2]) : -1;

	return high < 0 || low < 0 || high + low == 0 ? -1 : high << 4 | low;
}

fallible percent_decode(char **ret, const char *text, size_t length)
{
	autofree char *decoded = mem_alloc(length + 1);
	size_t count = 0;

	for (size_t i = 0; i < length; i++) {
		int byte = (unsigned char)text[i];

		if (byte == '%') {
			byte = read_escape(text + i, length - i);
			i += 2;
		}
		if (byte <= 0)
			return error_new(ERROR_INVALID, "invalid percent encoding in the request's address");
		decoded[count++] = byte;
	}
	if (!string_is_utf8(decoded, count))
		return error_new(ERROR_INVALID, "the request's address is not UTF-8");
	*ret = take(decoded);
	return NULL;
}
