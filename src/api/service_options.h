// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What /kedge/v1/service and /kedge/v1/enforcement share: both are of the service's file (device/service_file.h), whose
 * revision is their ETag. */
#include "api/internal.h"
#include "engine/enforcement.h"

static inline ServiceFile *api_service(void *context)
{
	return ((Api *)context)->service;
}

/* What holds at this moment, an edit by hand that nobody has looked at yet included. A change in part begins with
 * service_file_begin_change(). */
const Service *service_options_now(Api *api);

/* ---- requests ---- */
/* The revision within If-Match; NULL: any will do. Owned. */
char *wanted_revision(const HttpRequest *request);
/* What GET shows may come back: its "status" is nobody's to change. */
fallible request_without_status(Value **ret, const HttpRequest *request);

/* ---- answers ---- */
void set_revision(HttpRequest *request, const ServiceFile *service);
/* Into an open object. Each entry of the list is an item, however it was written. */
void write_enforcement(Writer *writer, const PolicyConfig *config);
void write_removals(Writer *writer, const char *key, const FieldArray *removals); /* into an open object, too */
