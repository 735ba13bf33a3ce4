// SPDX-License-Identifier: Apache-2.0
/*
 * /kedge/v1/service: the service's own options, as its file has them (device/service_file.h); its revision is the ETag,
 * and who sends If-Match overwrites nobody else's change. dry-run tells which containers a change would remove, and
 * changes nothing.
 */
#include "api/patch.h"
#include "api/service_options.h"
#include "base/memory.h"
#include "engine/container.h"
#include "policy/policy.h"
#include "json/fields.h"

/* ---- showing ---- */

static void write_status(Writer *writer, Api *api)
{
	write_object(writer, "status");
	write_string(writer, "revision", service_file_revision(api->service));
	write_int(writer, "allowed", (int64_t)policy_size(engine_policy(api->engine)));
	write_int(writer, "pinned", (int64_t)service_file_pinned_count(api->service));
	write_string(writer, "file", service_file_path(api->service));
	write_string_or_null(writer, "problem", service_file_problem(api->service));
	write_object_end(writer);
}

static void respond_service(HttpRequest *request, Api *api)
{
	const Service *service = service_file_options(api->service);
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_bool(&writer, "enabled", service->enabled);
	write_object(&writer, "engine");
	write_string(&writer, "url", service->engine_url ? service->engine_url : "");
	write_object_end(&writer);
	write_object(&writer, "enforcement");
	write_enforcement(&writer, &service->enforcement);
	write_object_end(&writer);
	write_status(&writer, api);
	write_object_end(&writer);
	set_revision(request, api->service);
	respond_json(request, 200, &out);
}

static void get(HttpRequest *request, void *context)
{
	respond_service(request, context);
}

/* ---- what a change removes ---- */

static bool is_removed_already(const FieldArray *removals, const char *id)
{
	for (size_t i = 0; i < removals->count; i++)
		if (string_equal(((const Removal *)removals->items)[i].id, id))
			return true;
	return false;
}

static void add_managed(FieldArray *removals, Api *api, const char *id)
{
	Container *container = NULL;
	ContainerView view;
	Error *error = container_find(&container, api->engine, id);

	error_free(error); /* it went meanwhile */
	if (!container || is_removed_already(removals, id))
		return;
	container_view(container, &view);
	Removal *removal = removals_add(removals);
	removal->id = mem_strdup(view.id);
	removal->name = mem_strdup(view.name);
	removal->image = mem_strdup(view.spec->image);
	removal->state = mem_strdup(container_state_name(view.state));
	removal->reason = mem_strdup("it is a declared container, and the service is switched off");
}

static void add_all_managed(FieldArray *removals, Api *api)
{
	const Directory *directory = device_directory(api->device);
	KeptView view;

	for (size_t i = 0; i < directory_count(directory); i++) {
		const DeclaredFile *file = directory_at(directory, i);
		if (file->is_declared && keeper_view(&view, device_keeper(api->device), file->declaration.name) &&
			view.container_id)
			add_managed(removals, api, view.container_id);
	}
}

static fallible write_dry_run(Buffer *out, Api *api, const Service *service)
{
	autoptr(Policy) policy = NULL;
	FieldArray removals = {0};
	Error *error;

	TRY(policy_new(&policy, &service->enforcement, service_file_pinned(api->service)));
	error = enforcement_dry_run(&removals, api->engine, policy);
	if (!error && !service->enabled)
		add_all_managed(&removals, api);
	if (!error)
		write_removals(out, &removals);
	removals_clear(&removals);
	return error;
}

/* ---- changes ---- */

/* out stays empty where it was changed. */
static fallible settle(Buffer *out, const HttpRequest *request, Api *api, const Service *service)
{
	autofree char *revision = wanted_revision(request);

	if (http_request_flag(request, "dry-run"))
		return write_dry_run(out, api, service);
	return service_file_change(api->service, service, revision);
}

static void answer(HttpRequest *request, Api *api, Error *take_error, Buffer *out)
{
	if (take_error)
		http_respond_error(request, take_error);
	else if (out->length)
		respond_json(request, 200, out);
	else
		respond_service(request, api);
}

/* The whole of it: what is not said is as it is without a file. */
static fallible put_steps(Buffer *out, const HttpRequest *request, Api *api)
{
	autoptr(Value) document = NULL;
	autoclear(Service) service;

	service_init(&service);
	TRY(request_without_status(&document, request));
	TRY(service_read(&service, document));
	return settle(out, request, api, &service);
}

static void put(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = put_steps(&out, request, context);

	answer(request, context, error, &out);
}

/* What is not said stays. */
static fallible change_steps(Buffer *out, const HttpRequest *request, Api *api, PatchReader *reader)
{
	autoptr(Value) document = service_value(service_file_options(api->service));
	autoptr(Value) body = NULL;
	autoclear(Service) service;

	service_init(&service);
	TRY(request_without_status(&body, request));
	TRY(reader(document, body));
	TRY(service_read(&service, document));
	return settle(out, request, api, &service);
}

static void patch(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = change_steps(&out, request, context, patch_merge);

	answer(request, context, error, &out);
}

static void set_fields(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = change_steps(&out, request, context, patch_fields);

	answer(request, context, error, &out);
}

const HttpRoute service_routes[] = {
	{"GET", "/kedge/v1/service", get, 0, 0},
	{"PUT", "/kedge/v1/service", put, 0, SERVICE_MAX},
	{"PATCH", "/kedge/v1/service", patch, 0, SERVICE_MAX},
	{"POST", "/kedge/v1/service/fields", set_fields, 0, SERVICE_MAX},
	{0},
};
