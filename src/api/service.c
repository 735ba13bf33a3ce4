// SPDX-License-Identifier: Apache-2.0
/*
 * /kedge/v1/service: the service's own options, as its file has them (device/service_file.h); its revision is the ETag,
 * and who sends If-Match overwrites nobody else's change. dry-run tells which containers a change would remove, and
 * changes nothing.
 */
#include "api/patch.h"
#include "api/preview.h"
#include "api/service_options.h"
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

/* ---- changes ---- */

static fallible preview(HttpRequest *request, Api *api, const Service *service)
{
	autoptr(Policy) policy = NULL;

	TRY(policy_new(&policy, &service->enforcement, service_file_pinned(api->service)));
	preview_respond(request, api, take(policy), service);
	return NULL;
}

static fallible settle(HttpRequest *request, Api *api, const Service *service)
{
	autofree char *revision = wanted_revision(request);

	if (!string_equal(service->engine_url, service_file_options(api->service)->engine_url))
		TRY(external_engine_check_url(api->external, service->engine_url));
	if (http_request_flag(request, "dry-run"))
		return preview(request, api, service);
	return service_file_change(api->service, service, revision);
}

static void answer(HttpRequest *request, Api *api, Error *take_error)
{
	if (take_error)
		http_respond_error(request, take_error);
	else if (!http_request_flag(request, "dry-run")) /* a preview comes by itself */
		respond_service(request, api);
}

/* Silence, or a null, does not end enforcement, nor does it open a door that is closed. */
static fallible read_options(Service *ret, Api *api, const Value *document)
{
	bool is_on = service_file_options(api->service)->enforcement.is_enabled;

	if ((is_on || service_file_is_closed(api->service)) && !service_says_enforced(document))
		return error_new(ERROR_INVALID, "field \"enforcement.enabled\" is missing, and %s",
			is_on ? "enforcement is on" : "nothing may start until it is said");
	return service_read(ret, document);
}

/* The whole of it: what is not said is as it is without a file. */
static fallible put_steps(HttpRequest *request, Api *api)
{
	autoptr(Value) document = NULL;
	autoclear(Service) service;

	service_init(&service);
	TRY(request_without_status(&document, request));
	service_file_look(api->service);
	TRY(read_options(&service, api, document));
	return settle(request, api, &service);
}

static void put(HttpRequest *request, void *context)
{
	Error *error = put_steps(request, context);

	answer(request, context, error);
}

/* What is not said stays. */
static fallible change_steps(HttpRequest *request, Api *api, PatchReader *reader)
{
	const Service *now;
	autoptr(Value) document = NULL;
	autoptr(Value) body = NULL;
	autoclear(Service) service;

	service_init(&service);
	TRY(service_file_begin_change(&now, api->service));
	document = service_value(now);
	TRY(request_without_status(&body, request));
	TRY(reader(document, body));
	TRY(read_options(&service, api, document));
	return settle(request, api, &service);
}

static void patch(HttpRequest *request, void *context)
{
	Error *error = change_steps(request, context, patch_merge);

	answer(request, context, error);
}

static void set_fields(HttpRequest *request, void *context)
{
	Error *error = change_steps(request, context, patch_fields);

	answer(request, context, error);
}

const HttpRoute service_routes[] = {
	{"GET", "/kedge/v1/service", get, 0, 0},
	{"PUT", "/kedge/v1/service", put, 0, SERVICE_MAX},
	{"PATCH", "/kedge/v1/service", patch, 0, SERVICE_MAX},
	{"POST", "/kedge/v1/service/fields", set_fields, 0, SERVICE_MAX},
	{0},
};
