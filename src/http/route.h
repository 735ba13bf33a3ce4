// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Finding the route of a path, and percent decoding: pure functions on text. Patterns hold "{name}" for one segment and
 * at most one "{name...}" for one or more; what follows a "{name...}" has no parameters. A parameter's value is never
 * empty. Source of the encoding: RFC 3986, section 2.1.
 */
#include <stdbool.h>

#include "base/error.h"
#include "base/strings.h"
#include "http/server.h"

enum { ROUTE_PARAMS_MAX = 4 };

typedef struct RouteParam {
	const char *name; /* in the pattern, not terminated */
	size_t name_length;
	const char *value; /* in the path, not terminated, not decoded */
	size_t value_length;
} RouteParam;

typedef struct RouteMatch {
	RouteParam params[ROUTE_PARAMS_MAX];
	size_t count;
} RouteMatch;

bool route_match(RouteMatch *ret, const char *pattern, const char *path);
/* The first route of that method (HEAD takes GET's) and path; NULL without one. */
const HttpRoute *route_find(RouteMatch *ret, const HttpRoute *routes, const char *method, const char *path);
/* "%2F" -> "/". Incomplete escapes, NUL and text that is not UTF-8 are refused. *ret is the caller's. */
fallible percent_decode(char **ret, const char *text, size_t length);
