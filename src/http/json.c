// SPDX-License-Identifier: Apache-2.0
#include "http/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void respond_json(HttpRequest *request, int status, Buffer *take)
{
	buffer_add_char(take, '\n');
	http_respond_buffer(request, status, "application/json", take);
}

void respond_json_or_error(HttpRequest *request, Error *take_error, Buffer *take)
{
	if (take_error)
		http_respond_error(request, take_error);
	else
		respond_json(request, 200, take);
}

void respond_status(HttpRequest *request, int status)
{
	http_respond(request, status, NULL, NULL, 0);
}

fallible request_int(int64_t *ret, const HttpRequest *request, const char *name, int64_t otherwise)
{
	const char *text = http_request_query(request, name);
	char *end;

	*ret = otherwise;
	if (string_empty(text))
		return NULL;
	*ret = strtoll(text, &end, 10);
	if (*end || strlen(text) > 18)
		return error_new(ERROR_INVALID, "query parameter \"%s\": \"%.32s\" is not a whole number", name, text);
	return NULL;
}

fallible request_time(int64_t *ret_ns, const HttpRequest *request, const char *name)
{
	const char *text = http_request_query(request, name);

	*ret_ns = 0;
	if (string_empty(text) || string_equal(text, "0"))
		return NULL;
	TRY_WRAP(clock_parse_point(ret_ns, text), "query parameter \"%s\"", name);
	return NULL;
}

fallible request_object(Value **ret, const HttpRequest *request)
{
	size_t length;
	const char *body = http_request_body(request, &length);
	autoptr(Value) value = NULL;

	if (length == 0)
		value = value_object();
	else
		TRY_WRAP(value_parse(&value, body, length), "request body");
	if (!value_is_object(value))
		return error_new(ERROR_INVALID, "request body must be an object, not %s", value_kind_name(value));
	*ret = take(value);
	return NULL;
}
