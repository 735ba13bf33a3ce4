// SPDX-License-Identifier: Apache-2.0
/* POST /containers/{id}/attach: with "Upgrade: tcp" the connection becomes the container's own, and is handed over to
 * its shim. A client that does not ask for that gets the output alone, as an answer that lasts. With logs=1 what was
 * written before comes first: the log is followed to its end, and when the client has all of it the container is held
 * for a moment, in which what was written meanwhile is read, so that the rest follows without a gap. GET
 * /containers/{id}/attach/ws is the same over a websocket, which a process of its own takes the frames from. POST
 * /containers/{id}/resize belongs to it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/output.h"
#include "engine/logs.h"
#include "websocket/carrier.h"

/* A container that writes faster than its client reads is never caught up with: behind so much of its log the client is
 * handed over without a hold, and may miss a moment. */
#define FOLLOWED_MAX (INT64_C(32) << 20)
enum { ENTRY_SIZE = 64 }; /* in the log, beside the text */

typedef struct Attach {
	List in_api;
	Engine *engine;
	Container *container;
	Output *output;
	LogReader *reader;       /* while what was written before is sent */
	ContainerAttach *attach; /* while what is written now is, or the container is held for it */
	Buffer rest;             /* of a line that is not in the log yet, ready to be sent */
	bool want_stdin, want_stdout, want_stderr, want_logs, want_stream, framed;
	bool hijacked;
	bool is_websocket, is_text; /* whose output goes in text messages */
	int64_t followed;           /* bytes of the log */
	bool has_caught_up;         /* with it */
	bool is_over;               /* what is in the log is all there will be */
	bool is_leaving;            /* the connection is about to be handed over */
	Keys detach_keys;
	char *early; /* input that came with the request */
	size_t early_length;
} Attach;

static void attach_free(Attach *attach)
{
	list_remove(&attach->in_api);
	log_reader_close(attach->reader);
	container_attach_end(attach->attach);
	container_unref(attach->container);
	buffer_clear(&attach->rest);
	free(attach->early);
	free(attach);
}

static void attach_finish(Attach *attach)
{
	output_end(attach->output);
	attach_free(attach);
}

/* ---- what is written now ---- */

/* Before the log has come to its end it is what that does not have. */
static void on_output(void *arg, int stream, const char *data, size_t length)
{
	Attach *attach = arg;

	if (attach->reader)
		output_frame(&attach->rest, attach->framed, stream, data, length);
	else
		output_write(attach->output, stream, NULL, data, length);
}

static void on_held(void *arg)
{
	Attach *attach = arg;

	if (attach->reader)
		log_reader_finish(attach->reader);
}

/* While its log is still being read: who is to be let go gets that to the end; who has begun to leave cannot be told.
 * Of a container that goes on, the hold alone was lost. */
static void on_ended(void *arg)
{
	Attach *attach = arg;

	attach->attach = NULL;
	if (attach->reader) {
		attach->is_over = !container_is_live(attach->container);
		log_reader_finish(attach->reader);
	} else if (!attach->is_leaving) {
		attach_finish(attach);
	} else if (!container_is_live(attach->container)) {
		output_abandon(attach->output);
		attach_free(attach);
	}
}

static const AttachHandlers attach_handlers = {.output = on_output, .held = on_held, .ended = on_ended};

/* The next program reads on where this one stops. */
static void carry(void *arg, HttpCarry *ret)
{
	ret->fd = container_attach_descriptor(((Attach *)arg)->attach);
}

static void attach_live(Attach *attach)
{
	Error *error = NULL;

	if (attach->attach)
		error = container_attach_go_on(attach->attach);
	else if (attach->want_stream && !attach->is_over)
		error = container_attach(&attach->attach, attach->container, attach->want_stdout, attach->want_stderr,
			&attach_handlers, attach);
	if (error)
		error_log(error,
			"could not attach to a container"); /* the answer has begun: its end is all that can be told */
	if (attach->attach)
		output_on_carry(attach->output, carry, attach);
	else
		attach_finish(attach);
}

/* ---- a connection of the container's own ---- */

static void attach_hand_over(void *arg, int fd)
{
	Attach *attach = arg;
	const ContainerClient client = {
		.wants_stdin = attach->want_stdin,
		.wants_stdout = attach->want_stdout,
		.wants_stderr = attach->want_stderr,
		.is_raw = attach->is_websocket,
		.detach_keys = &attach->detach_keys,
		.early = attach->early,
		.early_length = attach->early_length,
	};
	Error *error = attach->attach ? container_hand_over_held(take(attach->attach), &client, fd)
				      : container_hand_over(attach->container, &client, fd);

	if (error)
		error_log(error, "could not attach to a container"); /* its end is all that the client can be told */
	attach_free(attach);
}

static void attach_continue(Attach *attach)
{
	attach->is_leaving = attach->hijacked && attach->want_stream && !attach->is_over;
	if (attach->is_leaving)
		output_release(attach->output, attach_hand_over);
	else
		attach_live(attach);
}

/* ---- what was written before ---- */

static void on_entry(void *arg, int stream, const char *time, int64_t time_ns, const char *data, size_t length)
{
	Attach *attach = arg;

	(void)time, (void)time_ns;
	attach->has_caught_up = false;
	attach->followed += (int64_t)length + ENTRY_SIZE;
	if (attach->followed > FOLLOWED_MAX && !attach->attach)
		log_reader_finish(attach->reader);
	output_write(attach->output, stream, NULL, data, length);
}

static void on_log_end(void *arg)
{
	Attach *attach = arg;

	attach->reader = log_reader_close(attach->reader);
	output_write_framed(attach->output, attach->rest.data, attach->rest.length);
	attach_continue(attach);
}

/* One that does not run any more has no more to say than its log. */
static void hold(Attach *attach)
{
	Error *error = NULL;

	if (!attach->reader || attach->attach || !attach->has_caught_up || !output_is_drained(attach->output))
		return;
	error = container_attach_held(
		&attach->attach, attach->container, attach->want_stdout, attach->want_stderr, &attach_handlers, attach);
	error_free(error); /* it has just ended */
	if (attach->attach)
		return;
	attach->is_over = !container_is_live(attach->container);
	log_reader_finish(attach->reader);
}

static void on_caught_up(void *arg)
{
	Attach *attach = arg;

	attach->has_caught_up = true;
	hold(attach);
}

static void on_drained(void *arg)
{
	hold(arg);
}

static void attach_logs(Attach *attach)
{
	static const LogReaderHandlers handlers = {.entry = on_entry, .caught_up = on_caught_up, .end = on_log_end};
	LogQuery query = {.want_stdout = attach->want_stdout,
		.want_stderr = attach->want_stderr,
		.follow = attach->want_stream && (attach->want_stdout || attach->want_stderr) &&
			  container_is_live(attach->container),
		.tail = -1};
	ContainerView view;
	Error *error;

	container_view(attach->container, &view);
	const LogPlaces places = {view.state_directory, view.gather_directory};
	error = log_reader_open(&attach->reader, engine_loop(attach->engine), &places, &query, &handlers, attach);
	if (!error)
		return;
	error_log(error, "could not read a container's log"); /* the answer has begun: what comes now is still of use */
	attach_continue(attach);
}

/* ---- the client ---- */

static void on_pause(void *arg, bool paused)
{
	Attach *attach = arg;

	if (attach->reader)
		log_reader_pause(attach->reader, paused);
	if (attach->attach)
		container_attach_pause(attach->attach, paused);
}

static void on_gone(void *arg)
{
	attach_free(arg);
}

static const OutputHandlers output_handlers = {.pause = on_pause, .drained = on_drained, .gone = on_gone};

static void attach_go_on(Attach *attach, HttpCarry *carried)
{
	Error *error = container_attach_again(
		&attach->attach, attach->container, take_fd(&carried->fd), &attach_handlers, attach);

	if (error) {
		error_log(error, "could not go on with what a container writes");
		attach_finish(attach);
		return;
	}
	output_on_carry(attach->output, carry, attach);
}

static void attach_begin(Attach *attach, HttpCarry *carried)
{
	if (carried && carried->fd >= 0)
		attach_go_on(attach, carried);
	else if (attach->want_logs && !carried)
		attach_logs(attach);
	else
		attach_live(attach);
}

/* -1: there is no client any more. */
static void attach_connected(Attach *attach, int fd)
{
	Error *error = NULL;

	if (fd >= 0 && attach->want_stream && !attach->want_logs) {
		attach_hand_over(attach, fd);
		return;
	}
	if (fd >= 0)
		error = output_on_fd(
			&attach->output, engine_loop(attach->engine), fd, attach->framed, &output_handlers, attach);
	if (error)
		error_log(error, "could not attach a client");
	if (!attach->output)
		attach_free(attach);
	else if (attach->want_logs)
		attach_logs(attach);
	else
		attach_finish(attach);
}

static void on_hijacked(void *arg, int fd, const char *early, size_t length)
{
	Attach *attach = arg;

	attach->early = mem_dup(early, length);
	attach->early_length = length;
	attach_connected(attach, fd);
}

/* ---- a websocket ---- */

static bool takes_input(const Attach *attach)
{
	ContainerView view;

	container_view(attach->container, &view);
	return attach->want_stdin && attach->want_stream && view.spec->open_stdin;
}

static fallible carry_websocket(int *ret_fd, const Attach *attach, const char *early, size_t length, int client)
{
	autofree char *program = engine_program(attach->engine, "kedge-ws");
	const WebsocketClient websocket = {
		.is_text = attach->is_text, .takes_input = takes_input(attach), .early = early, .early_length = length};

	return websocket_carry(ret_fd, engine_loop(attach->engine), program, &websocket, client);
}

static void on_websocket(void *arg, int fd, const char *early, size_t length)
{
	Attach *attach = arg;
	autofd client = fd;
	int plain = -1;
	Error *error = fd < 0 ? NULL : carry_websocket(&plain, attach, early, length, client);

	if (error)
		error_log(error, "could not begin a websocket");
	attach_connected(attach, plain);
}

void attaches_end(DockerApi *api)
{
	list_each(&api->attaches, Attach, in_api, attach) {
		output_abandon(attach->output);
		attach_free(attach);
	}
}

/* ---- clients that wait for a start, from one program to the next ---- */

/* The cursor: how many keys there are, the keys, and input that came early. */
static void carry_client(void *arg, const char *container_id, const ContainerClient *client, int fd)
{
	DockerApi *api = arg;
	autofree char *path = string_printf("/containers/%s/attach", container_id);
	autoclear(StringMap) query = {0};
	autoclear(Buffer) cursor = {0};

	map_set(&query, "stdin", client->wants_stdin ? "1" : "0");
	map_set(&query, "stdout", client->wants_stdout ? "1" : "0");
	map_set(&query, "stderr", client->wants_stderr ? "1" : "0");
	map_set(&query, "raw", client->is_raw ? "1" : "0");
	buffer_add_char(&cursor, (char)client->detach_keys->count);
	buffer_add(&cursor, client->detach_keys->bytes, client->detach_keys->count);
	buffer_add(&cursor, client->early, client->early_length);
	http_server_carry_socket(api->servers[0], path, &query, &cursor, fd);
}

void attaches_carry(DockerApi *api)
{
	container_clients_each(api->engine, carry_client, api);
}

static size_t read_keys(Keys *ret, const Buffer *cursor)
{
	size_t count = cursor->length > 0 ? (unsigned char)*cursor->data : 0;

	*ret = (Keys){0};
	if (count > KEYS_MAX || cursor->length < 1 + count)
		return cursor->length;
	ret->count = count;
	memcpy(ret->bytes, cursor->data + 1, count);
	return 1 + count;
}

static void attach_again(HttpRequest *request, Container *container)
{
	autoclear(Buffer) cursor = http_request_carried(request)->cursor;
	Keys keys;
	size_t read = read_keys(&keys, &cursor);
	const ContainerClient client = {
		.wants_stdin = http_request_flag(request, "stdin"),
		.wants_stdout = http_request_flag(request, "stdout"),
		.wants_stderr = http_request_flag(request, "stderr"),
		.is_raw = http_request_flag(request, "raw"),
		.detach_keys = &keys,
		.early = buffer_text(&cursor) + read,
		.early_length = cursor.length - read,
	};

	http_request_carried(request)->cursor = (Buffer){0};
	Error *error = container_hand_over_again(container, &client, http_request_take_socket(request));
	if (error)
		error_log(error, "a client that waits for a start is cut");
}

/* ---- the request ---- */

static fallible check_attach(Attach *attach, const HttpRequest *request, ContainerState state)
{
	TRY(keys_parse(&attach->detach_keys, http_request_query(request, "detachKeys")));
	if (!attach->want_logs && !attach->want_stream && !attach->is_websocket)
		return error_new(ERROR_INVALID, "Either the stream or logs parameter must be true");
	if (state == CONTAINER_PAUSED)
		return error_new(ERROR_CONFLICT, "container %.300s is paused, unpause the container before attach",
			http_request_param(request, "id"));
	if (state == CONTAINER_RESTARTING)
		return error_new(ERROR_CONFLICT, "container %.300s is restarting, wait until the container is running",
			http_request_param(request, "id"));
	return NULL;
}

static Attach *attach_new(const HttpRequest *request, Container *container, Engine *engine, const ContainerSpec *spec)
{
	Attach *attach = mem_new(Attach);

	list_init(&attach->in_api);
	attach->engine = engine;
	attach->container = container_ref(container);
	attach->framed = !spec->tty;
	attach->want_stdin = http_request_flag(request, "stdin");
	attach->want_stdout = http_request_flag(request, "stdout");
	attach->want_stderr = http_request_flag(request, "stderr");
	attach->want_logs = http_request_flag(request, "logs");
	attach->want_stream = http_request_flag(request, "stream");
	return attach;
}

static void attach_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	ContainerView view;
	Attach *attach;
	Error *error;

	if (!container)
		return;
	if (http_request_carried(request) && http_request_carried(request)->is_socket) {
		attach_again(request, container);
		return;
	}
	container_view(container, &view);
	attach = attach_new(request, container, docker_engine(context), view.spec);
	error = http_request_carried(request) ? NULL : check_attach(attach, request, view.state);
	if (error) {
		attach_free(attach);
		http_respond_error(request, error);
		return;
	}
	const char *type = output_content_type(docker_version(request), attach->framed);
	if (http_request_header(request, "Upgrade")) {
		attach->hijacked = true;
		list_append(&((DockerApi *)context)->attaches, &attach->in_api);
		http_hijack(request, type, on_hijacked, attach);
		return;
	}
	attach->output = output_on_stream(request, type, attach->framed, &output_handlers, attach);
	attach_begin(attach, http_request_carried(request));
}

/* Docker sent text until 1.28, and knew no parameters for the streams until 1.42. Who asks for neither log nor stream
 * is given an end, and no error. */
static Attach *attach_new_websocket(
	HttpRequest *request, Container *container, Engine *engine, const ContainerSpec *spec)
{
	Attach *attach = attach_new(request, container, engine, spec);

	attach->is_websocket = attach->hijacked = true;
	attach->framed = false;
	attach->is_text = docker_version(request) < 28;
	if (docker_version(request) < 42)
		attach->want_stdin = attach->want_stdout = attach->want_stderr = true;
	return attach;
}

static void attach_websocket(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	ContainerView view;
	Attach *attach;
	Error *error;

	if (!container)
		return;
	container_view(container, &view);
	attach = attach_new_websocket(request, container, docker_engine(context), view.spec);
	error = check_attach(attach, request, view.state);
	if (!error)
		error = http_hijack_websocket(request, on_websocket, attach);
	if (!error) {
		list_append(&((DockerApi *)context)->attaches, &attach->in_api);
		return;
	}
	attach_free(attach);
	http_respond_error(request, error);
}

/* ---- the size of its terminal ---- */

enum { SIZE_MAX_CHARACTERS = UINT16_MAX };

static fallible read_side(int *ret, const HttpRequest *request, const char *name)
{
	int64_t side;

	TRY(request_int(&side, request, name, -1));
	if (side < 0 || side > SIZE_MAX_CHARACTERS)
		return error_new(ERROR_INVALID, "parameter \"%s\" must be a number of characters", name);
	*ret = (int)side;
	return NULL;
}

fallible request_console_size(int *ret_rows, int *ret_columns, const HttpRequest *request)
{
	int rows = 0, columns = 0;

	TRY(read_side(&rows, request, "h"));
	TRY(read_side(&columns, request, "w"));
	*ret_rows = rows;
	*ret_columns = columns;
	return NULL;
}

static fallible resize(const HttpRequest *request, Container *container)
{
	int rows = 0, columns = 0;

	TRY(request_console_size(&rows, &columns, request));
	return container_resize(container, rows, columns);
}

static void resize_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	Error *error = container ? resize(request, container) : NULL;

	if (error)
		http_respond_error(request, error);
	else if (container)
		respond_status(request, 200);
}

const HttpRoute attach_routes[] = {
	{"POST", "/containers/{id}/resize", resize_container, 0, 0},
	{"POST", "/containers/{id}/attach", attach_container, 0, 0},
	{"GET", "/containers/{id}/attach/ws", attach_websocket, 0, 0},
	{0},
};
