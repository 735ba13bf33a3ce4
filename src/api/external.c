// SPDX-License-Identifier: Apache-2.0
/* /kedge/v1/engine: another engine on this device (external/engine.h), its containers, and what is done with them. */
#include "api/external.h"

#include <stdlib.h>

#include "base/memory.h"

/* ---- who waits for an answer ---- */

typedef struct Asker {
	HttpRequest *request;
	Api *api;
	ExternalWait *wait;
	ExternalAction *action;
	ExternalListener *listener;
	void *arg; /* the listener's */
	void (*free_arg)(void *arg);
} Asker;

static void asker_free(Asker *asker)
{
	external_wait_free(asker->wait);
	external_action_free(asker->action);
	if (asker->free_arg)
		asker->free_arg(asker->arg);
	free(asker);
}

static void asker_left(void *arg)
{
	asker_free(arg);
}

static Asker *asker_new(HttpRequest *request, Api *api)
{
	Asker *asker = mem_new(Asker);

	asker->request = request;
	asker->api = api;
	http_request_on_gone(request, asker_left, asker);
	return asker;
}

static void on_list(void *arg)
{
	Asker *asker = arg;

	http_request_on_gone(asker->request, NULL, NULL);
	asker->listener(asker->request, asker->api, asker->arg);
	asker_free(asker);
}

void external_list_first(
	HttpRequest *request, Api *api, ExternalListener *listener, void *take_arg, void (*free_arg)(void *arg))
{
	Asker *asker = asker_new(request, api);

	asker->listener = listener;
	asker->arg = take_arg;
	asker->free_arg = free_arg;
	asker->wait = external_wait_new(api->external, on_list, asker);
}

/* ---- the engine ---- */

void write_external_engine(Writer *writer, const char *key, const Api *api)
{
	ExternalStatus status;

	external_engine_status(&status, api->external);
	write_object(writer, key);
	write_string_or_null(writer, "url", status.url);
	write_string(writer, "state", external_state_names[status.state]);
	write_string_or_null(writer, "problem", status.problem);
	write_string_or_null(writer, "engine", status.kind);
	write_string_or_null(writer, "version", status.version);
	write_object_end(writer);
}

static void get_engine(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_external_engine(&writer, NULL, context);
	respond_json(request, 200, &out);
}

/* ---- its containers ---- */

static void write_ports(Writer *writer, const FieldArray *ports)
{
	write_array(writer, "ports");
	for (size_t i = 0; i < ports->count; i++)
		fields_write(external_port_fields, (const ExternalPort *)ports->items + i, writer, NULL);
	write_array_end(writer);
}

static void write_container(void *arg, const ExternalView *view)
{
	const ExternalListed *listed = view->listed;
	Writer *writer = arg;

	write_object(writer, NULL);
	write_string(writer, "id", listed->id);
	write_string(writer, "name", listed->name);
	write_string(writer, "image", listed->image);
	write_string(writer, "imageId", listed->image_id);
	write_strings(writer, "digests", &view->facts->digests);
	write_string(writer, "state", listed->state);
	write_string(writer, "status", listed->status);
	write_string_or_null(writer, "health", view->facts->health);
	write_ports(writer, &listed->ports);
	write_int(writer, "created", listed->created);
	write_bool(writer, "allowed", view->is_allowed);
	write_string_or_null(writer, "reason", view->reason);
	write_object_end(writer);
}

static void respond_containers(HttpRequest *request, Api *api, void *arg)
{
	autoclear(Buffer) out = {0};
	ExternalStatus status;
	Writer writer;

	(void)arg;
	external_engine_status(&status, api->external);
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_external_engine(&writer, "engine", api);
	write_array(&writer, "containers");
	if (status.state == EXTERNAL_CONNECTED) /* else nobody knows what is there by now */
		external_engine_each(api->external, write_container, &writer);
	write_array_end(&writer);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void list_containers(HttpRequest *request, void *context)
{
	external_list_first(request, context, respond_containers, NULL, NULL);
}

/* ---- what is done with them ---- */

static void respond_words(HttpRequest *request, int status, const char *words)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "message", words);
	write_object_end(&writer);
	respond_json(request, status, &out);
}

static void on_done(void *arg, Error *take_error, int status, const char *words)
{
	Asker *asker = arg;
	HttpRequest *request = asker->request;

	http_request_on_gone(request, NULL, NULL);
	if (take_error)
		http_respond_error(request, take_error);
	else if (words)
		respond_words(request, status, words);
	else
		respond_status(request, status == 304 ? 304 : 204);
	asker_free(asker);
}

static void act(HttpRequest *request, void *context, ExternalVerb verb)
{
	Asker *asker = asker_new(request, context);

	asker->action = external_action_new(((Api *)context)->external, verb, http_request_param(request, "id"),
		http_request_flag(request, "force"), on_done, asker);
}

static void start(HttpRequest *request, void *context)
{
	act(request, context, EXTERNAL_START);
}

static void stop(HttpRequest *request, void *context)
{
	act(request, context, EXTERNAL_STOP);
}

static void restart(HttpRequest *request, void *context)
{
	act(request, context, EXTERNAL_RESTART);
}

static void remove_container(HttpRequest *request, void *context)
{
	act(request, context, EXTERNAL_DELETE);
}

const HttpRoute external_routes[] = {
	{"GET", "/kedge/v1/engine", get_engine, DOCKER_MONITOR, 0},
	{"GET", "/kedge/v1/engine/containers", list_containers, DOCKER_MONITOR, 0},
	{"POST", "/kedge/v1/engine/containers/{id}/start", start, 0, 0},
	{"POST", "/kedge/v1/engine/containers/{id}/stop", stop, 0, 0},
	{"POST", "/kedge/v1/engine/containers/{id}/restart", restart, 0, 0},
	{"DELETE", "/kedge/v1/engine/containers/{id}", remove_container, 0, 0},
	{0},
};
