// SPDX-License-Identifier: Apache-2.0
#pragma once
/* URLs, parsed by libcurl's own parser so that what is checked is what is asked. Only http and https exist here. */
#include <stdbool.h>

#include "base/error.h"

/* location, absolute or relative to base, without fragment or user information; ERROR_INVALID for another scheme. */
fallible url_resolve(char **ret, const char *base, const char *location);
char *url_origin(const char *url); /* "https://host:443", the port always said; "" for what is no URL */
char *url_host(const char *url);   /* "host:5000", the port where it is not the scheme's own: for messages */
bool url_is_plain(const char *url);
/* Adds "name=value" to the query, escaped. */
fallible url_add_query(char **slot, const char *name, const char *value);
void url_escape(char **ret, const char *text); /* for form bodies */
