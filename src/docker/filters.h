// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The filters= parameter of lists and events: {"label": ["a", "b=c"], "status": ["running"]}, and the older form
 * {"label": {"a": true}}. Several values of one filter are alternatives, but of labels, which must all fit; several
 * filters must all fit.
 */
#include "base/cleanup.h"
#include "base/strings.h"
#include "http/server.h"

enum { FILTER_VALUES_MAX = 1000, FILTER_PATTERN_MAX = 512, FILTER_REPEATS_MAX = 255 };

typedef struct Filter {
	char *name;
	StringList values;
} Filter;

typedef struct Filters {
	Filter *items;
	size_t count;
} Filters;

/* known: names that are allowed, NULL-terminated; another one is refused by name. Absent filters are none. */
fallible filters_read(Filters *ret, const HttpRequest *request, const char *const *known);
fallible filters_parse(Filters *ret, const char *text, const char *const *known);
void filters_clear(Filters *filters);
DEFINE_AUTOCLEAR(Filters, filters_clear)

const StringList *filters_values(const Filters *filters, const char *name); /* NULL when it is not given */
/* All of these are true when the filter is not given. */
bool filters_exact(const Filters *filters, const char *name, const char *value);
/* A value is an extended regular expression that fits anywhere in text; one that is none is a text, and so is one with
 * repetitions of repetitions that come to more than FILTER_REPEATS_MAX. */
bool filters_pattern(const Filters *filters, const char *name, const char *text);
bool filters_labels(const Filters *filters, const StringMap *labels); /* "label" and "label!" */
/* "until", a point in time (clock_parse_point); 0 when it is not given. */
fallible filters_until(const Filters *filters, int64_t *ret_ns);
/* "true" or "1", "false" or "0". */
fallible filters_bool(const Filters *filters, const char *name, bool *ret_given, bool *ret);
