// SPDX-License-Identifier: Apache-2.0
#include "api/preview.h"

#include <stdlib.h>

#include "api/external.h"
#include "api/service_options.h"
#include "base/memory.h"
#include "engine/container.h"

typedef struct Preview {
	Policy *policy;
	Service service;
} Preview;

static void preview_free(void *arg)
{
	Preview *preview = arg;

	policy_free(preview->policy);
	service_clear(&preview->service);
	free(preview);
}

/* ---- declared ones, where the service is switched off ---- */

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

/* ---- the other engine ---- */

static bool is_other_engine(const Api *api, const Service *service)
{
	return !string_equal(service->engine_url, service_file_options(api->service)->engine_url);
}

/* One that nobody has asked yet. */
static void write_unasked(Writer *writer, const Service *service)
{
	bool is_none = string_empty(service->engine_url);

	write_object(writer, "engine");
	write_string_or_null(writer, "url", is_none ? NULL : service->engine_url);
	write_string(writer, "state", external_state_names[is_none ? EXTERNAL_NONE : EXTERNAL_CONNECTING]);
	write_string_or_null(writer, "problem", is_none ? NULL : "its containers are not known before it is in force");
	write_string_or_null(writer, "engine", NULL);
	write_string_or_null(writer, "version", NULL);
	write_object_end(writer);
}

/* ---- the answer ---- */

static void write_preview(
	Buffer *out, const FieldArray *removals, const FieldArray *stops, const Api *api, const Service *service)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_removals(&writer, "removals", removals);
	write_removals(&writer, "stops", stops);
	if (is_other_engine(api, service))
		write_unasked(&writer, service);
	else
		write_external_engine(&writer, "engine", api);
	write_object_end(&writer);
}

static fallible find_removals(FieldArray *removals, FieldArray *stops, Api *api, const Preview *preview)
{
	TRY(enforcement_dry_run(removals, api->engine, preview->policy));
	if (!preview->service.enabled)
		add_all_managed(removals, api);
	if (!is_other_engine(api, &preview->service))
		external_engine_dry_run(removals, stops, api->external, preview->policy);
	return NULL;
}

static void on_list(HttpRequest *request, Api *api, void *arg)
{
	const Preview *preview = arg;
	autoclear(Buffer) out = {0};
	FieldArray removals = {0}, stops = {0};
	Error *error = find_removals(&removals, &stops, api, preview);

	if (error) {
		http_respond_error(request, error);
	} else {
		write_preview(&out, &removals, &stops, api, &preview->service);
		respond_json(request, 200, &out);
	}
	removals_clear(&removals);
	removals_clear(&stops);
}

void preview_respond(HttpRequest *request, Api *api, Policy *take_policy, const Service *service)
{
	Preview *preview = mem_new(Preview);

	preview->policy = take_policy;
	service_init(&preview->service);
	service_copy(&preview->service, service);
	external_list_first(request, api, on_list, preview, preview_free);
}
