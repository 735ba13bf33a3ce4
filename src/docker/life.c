// SPDX-License-Identifier: Apache-2.0
/* The life of a container: start, stop, restart, kill, remove, wait. The engine does it; here it becomes HTTP's
 * statuses. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "docker/call.h"
#include "docker/filters.h"
#include "docker/internal.h"
#include "engine/event.h"

enum { OBJECT_LEAST = 7 }; /* bytes of a JSON object that says something, for Docker */

/* Until 1.23 a start could bring another host configuration. */
static fallible refuse_start_body(const HttpRequest *request)
{
	size_t length;

	http_request_body(request, &length);
	if (length <= OBJECT_LEAST)
		return NULL;
	if (docker_version(request) >= 24)
		return error_new(ERROR_INVALID, "starting container with non-empty request body was deprecated since "
						"API v1.22 and removed in v1.24");
	return error_new(ERROR_UNSUPPORTED,
		"a host configuration for a start is not available: it is given when the container is created");
}

static void start_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	bool already = false;
	Error *error;
	Call *call;

	if (!container)
		return;
	error = refuse_start_body(request);
	call = call_new(request, container, 204);
	if (!error)
		error = container_start(container, &already, call_done, call);
	call_settle(call, error, already);
}

/* ---- stop and restart ---- */

typedef struct StopQuery {
	int64_t timeout_s;
	int signal;
} StopQuery;

static fallible read_stop(StopQuery *ret, const HttpRequest *request)
{
	const char *signal = docker_version(request) >= 42 ? http_request_query(request, "signal") : NULL;

	ret->signal = 0;
	TRY(request_int(&ret->timeout_s, request, "t", STOP_TIMEOUT_OWN));
	return string_empty(signal) ? NULL : signal_parse(&ret->signal, signal);
}

static void stop_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	bool already = false;
	StopQuery query;
	Error *error;
	Call *call;

	if (!container)
		return;
	error = read_stop(&query, request);
	call = call_new(request, container, 204);
	if (!error)
		error = container_stop(container, query.timeout_s, query.signal, &already, call_done, call);
	call_settle(call, error, already);
}

static void restart_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	StopQuery query;
	Error *error;
	Call *call;

	if (!container)
		return;
	error = read_stop(&query, request);
	call = call_new(request, container, 204);
	if (!error)
		error = container_restart(container, query.timeout_s, query.signal, call_done, call);
	call_settle(call, error, false);
}

/* ---- kill and remove ---- */

/* In Docker's words. */
static fallible read_signal(int *ret, const char *name)
{
	Error *error = string_empty(name) ? NULL : signal_parse(ret, name);

	if (!error)
		return NULL;
	error_free(error);
	return error_new(ERROR_INVALID, "Invalid signal: %.64s", name);
}

static void answer(HttpRequest *request, Error *error)
{
	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 204);
}

static void kill_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	const char *name = http_request_query(request, "signal");
	int signal = 9;
	Error *error;

	if (!container)
		return;
	error = read_signal(&signal, name);
	if (!error) {
		error = container_kill(container, signal);
		if (error)
			error = error_wrap(error, "Cannot kill container: %.300s", http_request_param(request, "id"));
	}
	answer(request, error);
}

static void remove_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	Error *error = NULL;
	Call *call;

	if (!container)
		return;
	call = call_new(request, container, 204);
	if (http_request_flag(request, "link"))
		error = error_new(ERROR_UNSUPPORTED, "query parameter \"link\": links are not available");
	else
		error = container_remove(container, http_request_flag(request, "force"),
			http_request_flag(request, "v"), call_done, call);
	call_settle(call, error, false);
}

/* ---- pause and rename ---- */

static void pause_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	Call *call;

	if (!container)
		return;
	call = call_new(request, container, 204);
	call_settle(call, container_pause(container, call_done, call), false);
}

static void unpause_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);

	if (container)
		answer(request, container_unpause(container));
}

static void rename_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);

	if (container)
		answer(request, container_rename(container, http_request_query(request, "name")));
}

/* ---- wait: the headers go out at once, since clients start the container only after they have them ---- */

typedef struct WaitStream {
	HttpStream *stream;
	ContainerWait *wait;
	Container *container;
} WaitStream;

static void wait_free(WaitStream *wait)
{
	container_unref(wait->container);
	free(wait);
}

static void wait_gone(void *arg)
{
	WaitStream *wait = arg;

	container_wait_cancel(wait->wait);
	wait_free(wait);
}

static void wait_done(void *arg, int exit_code)
{
	WaitStream *wait = arg;
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_int(&writer, "StatusCode", exit_code);
	write_object_end(&writer);
	buffer_add_char(&out, '\n');
	http_stream_write(wait->stream, out.data, out.length);
	http_stream_end(wait->stream);
	wait_free(wait);
}

static fallible read_condition(WaitCondition *ret, const HttpRequest *request)
{
	static const char *const names[] = {
		[WAIT_NOT_RUNNING] = "not-running", [WAIT_NEXT_EXIT] = "next-exit", [WAIT_REMOVED] = "removed"};
	const char *text = docker_version(request) >= 30 ? http_request_query(request, "condition") : NULL;
	int condition = string_empty(text) ? WAIT_NOT_RUNNING : names_find(names, 3, text);

	if (condition < 0)
		return error_new(ERROR_INVALID, "invalid condition: \"%.64s\"", text);
	*ret = condition;
	return NULL;
}

static void wait_carry(void *arg, HttpCarry *ret);

static WaitStream *wait_new(HttpRequest *request, Container *container)
{
	WaitStream *wait = mem_new(WaitStream);

	wait->container = container ? container_ref(container) : NULL;
	http_request_on_gone(request, wait_gone, wait);
	wait->stream = http_respond_stream(request, 200, "application/json");
	http_stream_on_carry(wait->stream, wait_carry, wait);
	return wait;
}

/* ---- a wait that began in the program before this one ---- */

/* What has happened to the container since this program began: it may be gone by now. */
typedef struct Meanwhile {
	char id[65];
	int64_t exit_code;
	bool died;
} Meanwhile;

static void wait_carry(void *arg, HttpCarry *ret)
{
	ContainerView view;

	container_view(((WaitStream *)arg)->container, &view);
	buffer_printf(&ret->cursor, "%s %lld", view.id, (long long)view.exit_code);
}

static void look_at_event(void *arg, const Event *event)
{
	Meanwhile *meanwhile = arg;
	const char *code = map_get(&event->attributes, "exitCode");

	if (!string_equal(event->id, meanwhile->id) || !string_equal(event->action, "die") || !code)
		return;
	meanwhile->died = true;
	meanwhile->exit_code = atoi(code);
}

static void wait_go_on(HttpRequest *request, Engine *engine, WaitCondition condition)
{
	Meanwhile meanwhile = {0};
	Container *container = NULL;
	WaitStream *wait;

	sscanf(buffer_text(&http_request_carried(request)->cursor), "%64s %" SCNd64, meanwhile.id,
		&meanwhile.exit_code);
	events_each_since(engine, 0, look_at_event, &meanwhile);
	error_free(container_find(&container, engine, meanwhile.id)); /* it was removed */
	wait = wait_new(request, container);
	if (!container || (meanwhile.died && condition != WAIT_REMOVED))
		wait_done(wait, (int)meanwhile.exit_code);
	else
		wait->wait = container_wait(container, condition, wait_done, wait);
}

/* ---- the request ---- */

static void wait_container(HttpRequest *request, void *context)
{
	WaitCondition condition = WAIT_NOT_RUNNING;
	Error *error = read_condition(&condition, request);
	Container *container;
	WaitStream *wait;

	if (!error && http_request_carried(request)) {
		wait_go_on(request, docker_engine(context), condition);
		return;
	}
	container = error ? NULL : find_container(request, context);
	if (error)
		http_respond_error(request, error);
	if (!container)
		return;
	wait = wait_new(request, container);
	wait->wait = container_wait(container, condition, wait_done, wait);
}

const HttpRoute life_routes[] = {
	{"POST", "/containers/{id}/start", start_container, 0, 0},
	{"POST", "/containers/{id}/stop", stop_container, 0, 0},
	{"POST", "/containers/{id}/restart", restart_container, 0, 0},
	{"POST", "/containers/{id}/kill", kill_container, 0, 0},
	{"POST", "/containers/{id}/pause", pause_container, 0, 0},
	{"POST", "/containers/{id}/unpause", unpause_container, 0, 0},
	{"POST", "/containers/{id}/rename", rename_container, 0, 0},
	{"POST", "/containers/{id}/wait", wait_container, 0, 0},
	{"DELETE", "/containers/{id}", remove_container, 0, 0},
	{0},
};
