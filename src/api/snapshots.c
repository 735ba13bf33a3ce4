// SPDX-License-Identifier: Apache-2.0
/* /kedge/v1/snapshots: what was declared before, by number; compared and rolled back to. */
#include "api/internal.h"
#include "base/memory.h"
#include "device/difference.h"

/* ---- showing ---- */

static void write_line(void *arg, const Value *snapshot)
{
	Writer *writer = arg;

	write_object(writer, NULL);
	write_value(writer, "number", value_get(snapshot, "number"));
	write_value(writer, "time", value_get(snapshot, "time"));
	write_value(writer, "why", value_get(snapshot, "why"));
	write_int(writer, "containers", (int64_t)value_count(value_path(snapshot, "content.files")));
	write_object_end(writer);
}

static void list(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_array(&writer, "snapshots");
	snapshots_each(device_snapshots(api_device(context)), write_line, &writer);
	write_array_end(&writer);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

/* A number of the path or the query; 0: the newest. */
static fallible read_number(int64_t *ret, const char *text)
{
	*ret = 0;
	if (!text || string_equal(text, "latest"))
		return NULL;
	TRY_WRAP(string_to_int64(ret, text, 1, INT64_MAX), "snapshot");
	return NULL;
}

static fallible find(Value **ret, const char *text, void *context)
{
	int64_t number;

	TRY(read_number(&number, text));
	return snapshots_get(ret, device_snapshots(api_device(context)), number);
}

static void hide_secrets(Value *snapshot)
{
	const char *file;
	Value *document;

	for (size_t cursor = 0; value_each(value_path(snapshot, "content.files"), &cursor, &file, &document);) {
		Value *registry = value_get(document, "registry");
		if (value_get(registry, "sealed"))
			value_set(registry, "sealed", value_new_string("(hidden)"));
	}
}

static void show(HttpRequest *request, void *context)
{
	autoptr(Value) snapshot = NULL;
	autoclear(Buffer) out = {0};
	Error *error = find(&snapshot, http_request_param(request, "number"), context);

	if (error) {
		http_respond_error(request, error);
		return;
	}
	hide_secrets(snapshot);
	value_write(snapshot, &out);
	respond_json(request, 200, &out);
}

/* ---- comparing ---- */

/* The service's options stand beside the files. */
static Value *comparable(const Value *snapshot)
{
	Value *files = value_copy(value_path(snapshot, "content.files"));
	const Value *service = value_path(snapshot, "content.service");

	if (service)
		value_set(files, "service", value_copy(service));
	return files;
}

static fallible diff_steps(Buffer *out, const HttpRequest *request, void *context)
{
	autoptr(Value) from = NULL;
	autoptr(Value) to = NULL;
	autoptr(Value) old = NULL;
	autoptr(Value) new = NULL;
	autoclear(Differences) differences = {0};
	Writer writer;

	TRY(find(&from, http_request_param(request, "number"), context));
	TRY(find(&to, http_request_query(request, "to"), context));
	old = comparable(from);
	new = comparable(to);
	differences_find(&differences, old, new);
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_value(&writer, "from", value_get(from, "number"));
	write_value(&writer, "to", value_get(to, "number"));
	differences_write(&differences, &writer, "differences");
	write_object_end(&writer);
	return NULL;
}

static void diff(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = diff_steps(&out, request, context);

	respond_json_or_error(request, error, &out);
}

/* ---- going back ---- */

static fallible roll_back_steps(Buffer *out, const HttpRequest *request, void *context)
{
	Device *device = api_device(context);
	int64_t number;
	Writer writer;

	TRY(read_number(&number, http_request_param(request, "number")));
	device_look(device); /* what was changed by hand is a snapshot, too */
	TRY(device_roll_back(device, number));
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_int(&writer, "snapshot", snapshots_newest(device_snapshots(device)));
	write_object_end(&writer);
	return NULL;
}

static void roll_back(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = roll_back_steps(&out, request, context);

	respond_json_or_error(request, error, &out);
}

const HttpRoute snapshot_routes[] = {
	{"GET", "/kedge/v1/snapshots", list, 0, 0},
	{"GET", "/kedge/v1/snapshots/{number}", show, 0, 0},
	{"GET", "/kedge/v1/snapshots/{number}/diff", diff, 0, 0},
	{"POST", "/kedge/v1/snapshots/{number}/rollback", roll_back, 0, 0},
	{0},
};
