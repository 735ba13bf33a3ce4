// SPDX-License-Identifier: Apache-2.0
/* /kedge/v1/audit: what the admission door has decided, oldest first. */
#include "engine/audit.h"
#include "api/internal.h"
#include "engine/enforcement.h"

enum { LINES_USUAL = 100, LINES_MAX = 10000 };

static void write_entries(Buffer *out, const FieldArray *entries)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_array(&writer, "entries");
	for (size_t i = 0; i < entries->count; i++)
		fields_write(audit_entry_fields, (const AuditEntry *)entries->items + i, &writer, NULL);
	write_array_end(&writer);
	write_object_end(&writer);
}

static fallible read_entries(Buffer *out, const HttpRequest *request, const Engine *engine)
{
	FieldArray entries = {0};
	int64_t count = 0;
	Error *error;

	TRY(request_int(&count, request, "tail", LINES_USUAL));
	if (count < 0 || count > LINES_MAX)
		return error_new(ERROR_INVALID, "query parameter \"tail\" must be between 0 and %d", LINES_MAX);
	error = engine_audit(&entries, engine, (size_t)count);
	if (!error)
		write_entries(out, &entries);
	audit_entries_clear(&entries);
	return error;
}

static void audit(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = read_entries(&out, request, api_engine(context));

	respond_json_or_error(request, error, &out);
}

const HttpRoute audit_routes[] = {
	{"GET", "/kedge/v1/audit", audit, 0, 0},
	{0},
};
