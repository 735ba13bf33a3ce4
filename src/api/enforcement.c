// SPDX-License-Identifier: Apache-2.0
/*
 * /kedge/v1/enforcement: which images may run, and the rules. What is written is the service's file
 * (device/service_file.h); its revision is the ETag, and who sends If-Match overwrites nobody else's change.
 */
#include "engine/enforcement.h"
#include "api/patch.h"
#include "api/preview.h"
#include "api/service_options.h"
#include "base/memory.h"
#include "policy/policy.h"

typedef struct Edit {
	StringList add, remove;
} Edit;

static const Field edit_fields[] = {
	{.name = "add", .kind = FIELD_WORDS, .offset = offsetof(Edit, add), .max_count = ALLOWLIST_MAX},
	{.name = "remove", .kind = FIELD_WORDS, .offset = offsetof(Edit, remove), .max_count = ALLOWLIST_MAX},
	FIELDS_END,
};

static void edit_clear(Edit *edit)
{
	fields_clear(edit_fields, edit);
}
DEFINE_AUTOCLEAR(Edit, edit_clear)

/* ---- what holds ---- */

static void write_status(Writer *writer, const ServiceFile *service, const Engine *engine)
{
	write_object(writer, "status");
	write_int(writer, "allowed", (int64_t)policy_size(engine_policy(engine)));
	write_int(writer, "pinned", (int64_t)service_file_pinned_count(service));
	write_string(writer, "file", service_file_path(service));
	write_string_or_null(writer, "problem", service_file_problem(service));
	write_object_end(writer);
}

static void respond_document(HttpRequest *request, void *context)
{
	const ServiceFile *service = api_service(context);
	const PolicyConfig *config = &service_file_options(service)->enforcement;
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_enforcement(&writer, config);
	write_status(&writer, service, api_engine(context));
	write_object_end(&writer);
	set_revision(request, service);
	respond_json(request, 200, &out);
}

/* ---- changes ---- */

static fallible read_document(PolicyConfig *config, const Value *document)
{
	if (value_is_null(value_get(document, "enabled")))
		return error_new(ERROR_INVALID, "field \"enabled\" is missing");
	return fields_read(policy_config_fields, config, document, FIELDS_STRICT);
}

static fallible change(HttpRequest *request, void *context, const PolicyConfig *enforcement)
{
	autofree char *revision = wanted_revision(request);
	autoclear(Service) options;

	service_init(&options);
	service_copy(&options, service_options_now(context));
	fields_copy(policy_config_fields, &options.enforcement, enforcement);
	return service_file_change(api_service(context), &options, revision);
}

static void settle(HttpRequest *request, void *context, Error *take_error)
{
	if (take_error)
		http_respond_error(request, take_error);
	else
		respond_document(request, context);
}

/* The whole of it: what is not said is off, but whether it is on is said; an empty document is no wish to have nothing
 * enforced. */
static fallible put_steps(HttpRequest *request, void *context)
{
	autoptr(Value) document = NULL;
	autoclear(PolicyConfig) config = {0};

	TRY(request_without_status(&document, request));
	TRY(read_document(&config, document));
	return change(request, context, &config);
}

static void put(HttpRequest *request, void *context)
{
	settle(request, context, put_steps(request, context));
}

/* A merge patch of what `options` say of it. Source: RFC 7396. */
static fallible merge(PolicyConfig *ret, const HttpRequest *request, const Service *options)
{
	autoptr(Value) document = service_value(options);
	autoptr(Value) body = NULL;
	Value *enforcement = value_get(document, "enforcement");

	TRY(request_without_status(&body, request));
	TRY(patch_merge(enforcement, body));
	return read_document(ret, enforcement);
}

static fallible patch_steps(HttpRequest *request, void *context)
{
	const Service *now;
	autoclear(PolicyConfig) config = {0};

	TRY(service_file_begin_change(&now, api_service(context)));
	TRY(merge(&config, request, now));
	return change(request, context, &config);
}

static void patch(HttpRequest *request, void *context)
{
	settle(request, context, patch_steps(request, context));
}

/* All entries in one go: each time, the whole list is read. */
static fallible edit_list(StringList *allowlist, const Edit *edit)
{
	autofree char *add = strings_join(&edit->add, ",");
	autofree char *remove = strings_join(&edit->remove, ",");
	bool changed = false;

	TRY(allowlist_add(allowlist, add, &changed));
	return allowlist_remove(allowlist, remove, &changed);
}

static fallible edit_steps(HttpRequest *request, void *context)
{
	autoptr(Value) body = NULL;
	autoclear(Edit) edit = {0};
	const Service *now;
	autoclear(PolicyConfig) config = {0};

	TRY(service_file_begin_change(&now, api_service(context)));
	TRY(request_object(&body, request));
	TRY(fields_read(edit_fields, &edit, body, FIELDS_STRICT));
	fields_copy(policy_config_fields, &config, &now->enforcement);
	TRY(edit_list(&config.allowlist, &edit));
	return change(request, context, &config);
}

static void edit_allowlist(HttpRequest *request, void *context)
{
	settle(request, context, edit_steps(request, context));
}

/* ---- what it removes, and has removed ---- */

static fallible dry_run_steps(HttpRequest *request, Api *api)
{
	autoclear(Service) service;
	autoclear(PolicyConfig) config = {0};
	autoptr(Policy) policy = NULL;

	service_init(&service);
	service_copy(&service, service_options_now(api));
	service.enabled = true;                /* what goes with its switch is none of this */
	service.enforcement.is_enabled = true; /* unless the request says something else */
	TRY(merge(&config, request, &service));
	fields_copy(policy_config_fields, &service.enforcement, &config);
	TRY(policy_new(&policy, &service.enforcement, service_file_pinned(api->service)));
	preview_respond(request, api, take(policy), &service);
	return NULL;
}

/* As PATCH would have it, switched on: nothing is changed. */
static void dry_run(HttpRequest *request, void *context)
{
	Error *error = dry_run_steps(request, context);

	if (error)
		http_respond_error(request, error);
}

static void write_removed(Buffer *out, const FieldArray *removals)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_removals(&writer, "removals", removals);
	write_object_end(&writer);
}

static void removed(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	FieldArray removals = {0};
	Error *error = enforcement_removed(&removals, api_engine(context));

	if (!error)
		write_removed(&out, &removals);
	removals_clear(&removals);
	respond_json_or_error(request, error, &out);
}

const HttpRoute enforcement_routes[] = {
	{"GET", "/kedge/v1/enforcement", respond_document, 0, 0},
	{"PUT", "/kedge/v1/enforcement", put, 0, SERVICE_MAX},
	{"PATCH", "/kedge/v1/enforcement", patch, 0, SERVICE_MAX},
	{"POST", "/kedge/v1/enforcement/allowlist", edit_allowlist, 0, 0},
	{"POST", "/kedge/v1/enforcement/dry-run", dry_run, 0, SERVICE_MAX},
	{"GET", "/kedge/v1/enforcement/removed", removed, 0, 0},
	{0},
};
