// SPDX-License-Identifier: Apache-2.0
/* The life of a container: start, stop, restart, kill, remove, wait. The engine does it; here it becomes HTTP's
 * statuses. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "docker/filters.h"
#include "docker/internal.h"

/* ---- calls that are answered when the engine is done ---- */

typedef struct Call {
	HttpRequest *request; /* NULL: the client left, the work goes on */
	Container *container;
} Call;

static void call_gone(void *arg)
{
	((Call *)arg)->request = NULL;
}

static Call *call_new(HttpRequest *request, Container *container)
{
	Call *call = mem_new(Call);

	call->request = request;
	call->container = container_ref(container);
	http_request_on_gone(request, call_gone, call);
	return call;
}

static void call_free(Call *call)
{
	container_unref(call->container);
	free(call);
}

static void call_done(void *arg, Error *take_error)
{
	Call *call = arg;

	if (call->request && take_error)
		http_respond_error(call->request, take_error);
	else if (call->request)
		respond_status(call->request, 204);
	else
		error_free(take_error); /* who asked has left; the container's state has it, too */
	call_free(call);
}

/* An Error or "already so": the engine does not call back. */
static void call_settle(Call *call, Error *error, bool already)
{
	HttpRequest *request = call->request;

	if (!error && !already)
		return;
	http_request_on_gone(request, NULL, NULL);
	call_free(call);
	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 304);
}

static void start_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	bool already = false;
	Error *error;
	Call *call;

	if (!container)
		return;
	call = call_new(request, container);
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
	const char *signal = http_request_query(request, "signal");

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
	call = call_new(request, container);
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
	call = call_new(request, container);
	if (!error)
		error = container_restart(container, query.timeout_s, query.signal, call_done, call);
	call_settle(call, error, false);
}

/* ---- kill and remove ---- */

static void kill_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	const char *name = http_request_query(request, "signal");
	int signal = 9;
	Error *error;

	if (!container)
		return;
	error = string_empty(name) ? NULL : signal_parse(&signal, name);
	if (!error)
		error = container_kill(container, signal);
	if (error)
		http_respond_error(
			request, error_wrap(error, "Cannot kill container: %.300s", http_request_param(request, "id")));
	else
		respond_status(request, 204);
}

static void remove_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	Error *error = NULL;
	Call *call;

	if (!container)
		return;
	call = call_new(request, container);
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
	call = call_new(request, container);
	call_settle(call, container_pause(container, call_done, call), false);
}

static void answer(HttpRequest *request, Error *error)
{
	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 204);
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
	const char *text = http_request_query(request, "condition");
	int condition = string_empty(text) ? WAIT_NOT_RUNNING : names_find(names, 3, text);

	if (condition < 0)
		return error_new(ERROR_INVALID, "invalid condition: \"%.64s\"", text);
	*ret = condition;
	return NULL;
}

static void wait_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	WaitCondition condition = WAIT_NOT_RUNNING;
	WaitStream *wait;
	Error *error;

	if (!container)
		return;
	error = read_condition(&condition, request);
	if (error) {
		http_respond_error(request, error);
		return;
	}
	wait = mem_new(WaitStream);
	wait->container = container_ref(container);
	http_request_on_gone(request, wait_gone, wait);
	wait->stream = http_respond_stream(request, 200, "application/json");
	http_stream_may_last(wait->stream);
	wait->wait = container_wait(container, condition, wait_done, wait);
}

/* ---- prune: all that do not run ---- */

typedef struct Prune {
	HttpRequest *request; /* NULL: the client left */
	StringList removed;
	size_t waiting; /* removals under way, and one for the loop that begins them */
} Prune;

typedef struct PruneStep {
	Prune *prune;
	char id[65];
} PruneStep;

static void prune_gone(void *arg)
{
	((Prune *)arg)->request = NULL;
}

static void prune_answer(Prune *prune)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_strings(&writer, "ContainersDeleted", &prune->removed);
	write_int(&writer, "SpaceReclaimed", 0);
	write_object_end(&writer);
	respond_json(prune->request, 200, &out);
}

static void prune_leave(Prune *prune)
{
	if (--prune->waiting > 0)
		return;
	if (prune->request)
		prune_answer(prune);
	strings_clear(&prune->removed);
	free(prune);
}

static void prune_removed(void *arg, Error *take_error)
{
	PruneStep *step = arg;

	if (take_error)
		error_log(take_error, "container %.12s was not pruned", step->id);
	else
		strings_add(&step->prune->removed, step->id);
	prune_leave(step->prune);
	free(step);
}

static void prune_one(Prune *prune, Container *container, const ContainerView *view)
{
	PruneStep *step = mem_new(PruneStep);
	Error *error;

	step->prune = prune;
	memcpy(step->id, view->id, sizeof(step->id));
	prune->waiting++;
	error = container_remove(container, false, false, prune_removed, step);
	if (error)
		prune_removed(step, error);
}

static bool is_prunable(const Filters *filters, int64_t until_ns, const Container *container, const ContainerView *view)
{
	bool is_idle =
		view->state == CONTAINER_CREATED || view->state == CONTAINER_EXITED || view->state == CONTAINER_DEAD;

	return is_idle && !container_is_live(container) && (until_ns == 0 || view->created_ns < until_ns) &&
	       filters_labels(filters, &view->spec->labels);
}

static void prune_all(Prune *prune, Engine *engine, const Filters *filters, int64_t until_ns)
{
	Container **list;
	size_t count = container_list(&list, engine);
	ContainerView view;

	for (size_t i = 0; i < count; i++)
		container_ref(list[i]);
	for (size_t i = 0; i < count; i++) {
		container_view(list[i], &view);
		if (is_prunable(filters, until_ns, list[i], &view))
			prune_one(prune, list[i], &view);
		container_unref(list[i]);
	}
	free(list);
}

static fallible read_prune(Filters *filters, int64_t *ret_until_ns, const HttpRequest *request)
{
	static const char *const known[] = {"until", "label", "label!", NULL};
	const StringList *until;

	TRY(filters_read(filters, request, known));
	until = filters_values(filters, "until");
	return until ? clock_parse_point(ret_until_ns, until->items[0]) : NULL;
}

static void prune_containers(HttpRequest *request, void *context)
{
	autoclear(Filters) filters = {0};
	int64_t until_ns = 0;
	Error *error = read_prune(&filters, &until_ns, request);
	Prune *prune;

	if (error) {
		http_respond_error(request, error);
		return;
	}
	prune = mem_new(Prune);
	prune->request = request;
	prune->waiting = 1;
	http_request_on_gone(request, prune_gone, prune);
	prune_all(prune, docker_engine(context), &filters, until_ns);
	prune_leave(prune);
}

const HttpRoute life_routes[] = {
	{"POST", "/containers/prune", prune_containers, 0, 0},
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
