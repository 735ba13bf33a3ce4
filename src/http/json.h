// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What resources say and ask in JSON, and numbers and times of a query. */
#include <stdint.h>

#include "http/server.h"
#include "json/value.h"

/* ---- answers ---- */
void respond_json(HttpRequest *request, int status, Buffer *take);
/* 200 with it, or, of a request that has failed, the error. */
void respond_json_or_error(HttpRequest *request, Error *take_error, Buffer *take);
void respond_status(HttpRequest *request, int status); /* no body */

/* ---- requests ---- */
/* An integer of the query; otherwise when it is absent. */
fallible request_int(int64_t *ret, const HttpRequest *request, const char *name, int64_t otherwise);
/* Docker's point in time (clock_parse_point); 0 when it is absent, empty or "0". */
fallible request_time(int64_t *ret_ns, const HttpRequest *request, const char *name);
/* The body as a JSON object; an empty body gives an empty one. */
fallible request_object(Value **ret, const HttpRequest *request);
