// SPDX-License-Identifier: Apache-2.0
/* Commands in running containers: create, start, inspect, resize. With "Upgrade: tcp" the connection of a start becomes
 * the command's own, and is handed over to its shim; without, it gets the output alone, as an answer that lasts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/output.h"
#include "engine/exec.h"

/* ---- create ---- */

#define PART(key, type, member)                                                                                        \
	{                                                                                                              \
		.name = (key), .kind = (type), .offset = offsetof(ExecSpec, member)                                    \
	}

static const Field create_fields[] = {
	PART("User", FIELD_STRING, user),
	PART("Privileged", FIELD_BOOL, privileged),
	PART("Tty", FIELD_BOOL, tty),
	PART("AttachStdin", FIELD_BOOL, attach_stdin),
	PART("AttachStdout", FIELD_BOOL, attach_stdout),
	PART("AttachStderr", FIELD_BOOL, attach_stderr),
	PART("DetachKeys", FIELD_STRING, detach_keys),
	PART("Env", FIELD_STRINGS, env),
	PART("WorkingDir", FIELD_STRING, workdir),
	PART("Cmd", FIELD_WORDS, command),
	FIELDS_END,
};

/* [rows, columns] or null. */
static fallible read_console_size(int64_t *ret_rows, int64_t *ret_columns, const Value *body)
{
	const Value *size = value_get(body, "ConsoleSize");

	if (!size || value_is_null(size))
		return NULL;
	int64_t rows = value_int(value_at(size, 0), -1), columns = value_int(value_at(size, 1), -1);
	if (value_count(size) != 2 || rows < 0 || columns < 0 || rows > UINT16_MAX || columns > UINT16_MAX)
		return error_new(ERROR_INVALID, "field \"ConsoleSize\" must be two numbers of characters");
	*ret_rows = rows;
	*ret_columns = columns;
	return NULL;
}

static fallible read_create(ExecSpec *ret, const HttpRequest *request)
{
	autoptr(Value) body = NULL;

	TRY(request_object(&body, request));
	TRY(fields_read(create_fields, ret, body, 0));
	if (!ret->command.count)
		return error_new(ERROR_INVALID, "No exec command specified");
	return read_console_size(&ret->console_rows, &ret->console_columns, body);
}

static void respond_created(HttpRequest *request, const Exec *exec)
{
	autoclear(Buffer) out = {0};
	ExecView view;
	Writer writer;

	exec_view(exec, &view);
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "Id", view.id);
	write_object_end(&writer);
	respond_json(request, 201, &out);
}

static void create_exec(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	autoclear(ExecSpec) spec = {0};
	Exec *exec;

	if (!container)
		return;
	Error *error = read_create(&spec, request);
	if (!error)
		error = exec_create(&exec, container, &spec);
	if (error)
		http_respond_error(request, error);
	else
		respond_created(request, exec);
}

/* The exec of the route's {name}; answers 404 itself and gives NULL. */
static Exec *find_exec(HttpRequest *request, void *context)
{
	Exec *exec = NULL;
	Error *error = exec_find(&exec, docker_engine(context), http_request_param(request, "name"));

	if (error)
		http_respond_error(request, error);
	return exec;
}

/* ---- inspect ---- */

static void write_process_config(Writer *writer, const ExecSpec *spec)
{
	write_object(writer, "ProcessConfig");
	write_bool(writer, "tty", spec->tty);
	write_string(writer, "entrypoint", spec->command.items[0]);
	write_array(writer, "arguments");
	for (size_t i = 1; i < spec->command.count; i++)
		write_string(writer, NULL, spec->command.items[i]);
	write_array_end(writer);
	write_bool(writer, "privileged", spec->privileged);
	if (!string_empty(spec->user))
		write_string(writer, "user", spec->user);
	write_object_end(writer);
}

static void write_exec(Writer *writer, const ExecView *view)
{
	write_object(writer, NULL);
	write_string(writer, "ID", view->id);
	write_bool(writer, "Running", view->state == EXEC_STARTING || view->state == EXEC_RUNNING);
	if (view->state == EXEC_ENDED)
		write_int(writer, "ExitCode", view->exit_code);
	else
		write_null(writer, "ExitCode");
	write_process_config(writer, view->spec);
	write_bool(writer, "OpenStdin", view->spec->attach_stdin);
	write_bool(writer, "OpenStderr", view->spec->attach_stderr);
	write_bool(writer, "OpenStdout", view->spec->attach_stdout);
	write_bool(writer, "CanRemove", false);
	write_string(writer, "ContainerID", view->container_id);
	write_string(writer, "DetachKeys", view->spec->detach_keys);
	write_int(writer, "Pid", view->pid);
	write_object_end(writer);
}

static void inspect_exec(HttpRequest *request, void *context)
{
	Exec *exec = find_exec(request, context);
	autoclear(Buffer) out = {0};
	ExecView view;
	Writer writer;

	if (!exec)
		return;
	exec_view(exec, &view);
	writer_init(&writer, &out);
	write_exec(&writer, &view);
	respond_json(request, 200, &out);
}

/* ---- start ---- */

typedef struct StartBody {
	bool detach, tty;
	int64_t rows, columns;
} StartBody;

static const Field start_fields[] = {
	{.name = "Detach", .kind = FIELD_BOOL, .offset = offsetof(StartBody, detach)},
	{.name = "Tty", .kind = FIELD_BOOL, .offset = offsetof(StartBody, tty)},
	FIELDS_END,
};

/* A client that waits for a start, or for the output that comes through us. */
typedef struct Session {
	List in_api;
	Loop *loop;
	Exec *exec;
	StartBody body;
	HttpRequest *request; /* of a detached start, while its client is there */
	int fd;               /* of a connection that was taken over, until the command runs; -1 */
	Output *output;       /* where it was not taken over; NULL: the client left, or has got everything */
	bool is_starting;     /* the engine will call once more */
} Session;

static void session_free(Session *session)
{
	list_remove(&session->in_api);
	exec_unref(session->exec);
	close_fd(&session->fd);
	free(session);
}

static void session_leave(Session *session)
{
	session->output = NULL;
	if (!session->is_starting)
		session_free(session);
}

static void session_finish(Session *session)
{
	if (session->output)
		output_end(session->output);
	session_leave(session);
}

static Session *session_new(DockerApi *api, Exec *exec, const StartBody *body)
{
	Session *session = mem_new(Session);

	list_append(&api->exec_sessions, &session->in_api);
	session->loop = engine_loop(api->engine);
	session->exec = exec_ref(exec);
	session->body = *body;
	session->fd = -1;
	return session;
}

/* done is called in any case. */
static void session_start(Session *session, const ExecClient *client, ContainerDone *done)
{
	const ExecStart start = {
		.client = client, .console_rows = session->body.rows, .console_columns = session->body.columns};

	session->is_starting = true;
	Error *error = exec_start(session->exec, &start, done, session);
	if (error)
		done(session, error);
}

/* ---- detached ---- */

static void detached_gone(void *arg)
{
	((Session *)arg)->request = NULL;
}

static void detached_done(void *arg, Error *take_error)
{
	Session *session = arg;

	if (session->request)
		http_request_on_gone(session->request, NULL, NULL);
	if (session->request && take_error)
		http_respond_error(session->request, take_error);
	else if (session->request)
		respond_status(session->request, 200);
	else
		error_free(take_error); /* who asked has left; the exec's exit code has it, too */
	session_free(session);
}

static void start_detached(HttpRequest *request, DockerApi *api, Exec *exec, const StartBody *body)
{
	Session *session = session_new(api, exec, body);

	session->request = request;
	http_request_on_gone(request, detached_gone, session);
	session_start(session, NULL, detached_done);
}

/* ---- a connection of the command's own ---- */

/* The answer has begun: as Docker has it, the reason stands where the output would. The socket is empty yet. */
static void tell_failure(int fd, bool is_framed, const char *reason)
{
	autofree char *text = string_printf("%s\r\n", reason);
	size_t length = strlen(text);
	const unsigned char head[8] = {1, 0, 0, 0, length >> 24, length >> 16, length >> 8, length};
	struct iovec parts[] = {{(void *)head, is_framed ? sizeof(head) : 0}, {text, length}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("a client has left before it could be told: %s", reason);
}

static void handed_over(void *arg, Error *take_error)
{
	Session *session = arg;

	if (take_error && session->fd >= 0)
		tell_failure(session->fd, !session->body.tty, error_message(take_error));
	error_free(take_error); /* told */
	session_free(session);
}

static void on_hijacked(void *arg, int fd, const char *early, size_t length)
{
	Session *session = arg;
	const ExecClient client = {.fd = fd, .is_framed = !session->body.tty, .early = early, .early_length = length};

	session->fd = fd;
	if (fd >= 0)
		session_start(session, &client, handed_over);
	else
		session_free(session);
}

/* ---- output alone, through us ---- */

static const char with_terminal[] = "tty";

static void on_output(void *arg, int stream, const char *data, size_t length)
{
	output_write(((Session *)arg)->output, stream, NULL, data, length);
}

static void on_ended(void *arg)
{
	session_finish(arg);
}

/* The next program reads on where this one stops. */
static void carry(void *arg, HttpCarry *ret)
{
	Session *session = arg;

	buffer_add_text(&ret->cursor, session->body.tty ? with_terminal : "");
	ret->fd = exec_follow_descriptor(session->exec);
}

static void on_started(void *arg, Error *take_error)
{
	Session *session = arg;
	autofree char *reason = take_error ? string_printf("%s\r\n", error_message(take_error)) : NULL;
	ExecView view;

	error_free(take_error); /* told, if anybody is there */
	session->is_starting = false;
	exec_view(session->exec, &view);
	if (reason && session->output) {
		output_write(session->output, 1, NULL, reason, strlen(reason));
	} else if (session->output && (view.spec->attach_stdout || view.spec->attach_stderr)) {
		output_on_carry(session->output, carry, session);
		return;
	}
	exec_unfollow(session->exec, session);
	session_finish(session);
}

static void on_pause(void *arg, bool paused)
{
	exec_follow_pause(((Session *)arg)->exec, paused);
}

static void on_gone(void *arg)
{
	Session *session = arg;

	exec_unfollow(session->exec, session);
	session_leave(session);
}

static const AttachHandlers follow_handlers = {.output = on_output, .ended = on_ended};

static void open_output(HttpRequest *request, Session *session)
{
	static const OutputHandlers output_handlers = {.pause = on_pause, .gone = on_gone};
	bool is_framed = !session->body.tty;
	const char *type = output_content_type(docker_version(request), is_framed);

	session->output = output_on_stream(request, type, is_framed, &output_handlers, session);
}

static void start_following(HttpRequest *request, Session *session)
{
	ExecView view;

	open_output(request, session);
	exec_view(session->exec, &view);
	if (view.state == EXEC_CREATED) /* one that runs has its reader: the start is refused */
		exec_follow(session->exec, &follow_handlers, session);
	session_start(session, NULL, on_started);
}

/* One that an earlier program has begun. */
static void follow_again(HttpRequest *request, DockerApi *api, Exec *exec, HttpCarry *carried)
{
	const StartBody body = {.tty = string_equal(buffer_text(&carried->cursor), with_terminal)};
	Session *session = session_new(api, exec, &body);

	open_output(request, session);
	Error *error = exec_follow_again(exec, take_fd(&carried->fd), &follow_handlers, session);
	if (!error) {
		output_on_carry(session->output, carry, session);
		return;
	}
	error_log(error, "could not go on with what a command writes");
	session_finish(session);
}

/* ---- the request ---- */

static void start_attached(HttpRequest *request, DockerApi *api, Exec *exec, const StartBody *body)
{
	Session *session = session_new(api, exec, body);

	if (http_request_header(request, "Upgrade"))
		http_hijack(request, output_content_type(docker_version(request), !body->tty), on_hijacked, session);
	else
		start_following(request, session);
}

void exec_sessions_end(DockerApi *api)
{
	list_each(&api->exec_sessions, Session, in_api, session) {
		list_remove(&session->in_api);
		exec_unfollow(session->exec, session);
		if (session->output)
			output_abandon(session->output);
		session_leave(session);
	}
}

static fallible read_start(StartBody *ret, const HttpRequest *request)
{
	autoptr(Value) body = NULL;

	TRY(request_object(&body, request));
	TRY(fields_read(start_fields, ret, body, 0));
	return read_console_size(&ret->rows, &ret->columns, body);
}

static void start_exec(HttpRequest *request, void *context)
{
	Exec *exec = find_exec(request, context);
	StartBody body = {0};

	if (!exec)
		return;
	if (http_request_carried(request)) {
		follow_again(request, context, exec, http_request_carried(request));
		return;
	}
	Error *error = read_start(&body, request);
	if (!error)
		error = exec_check_container(exec);
	if (error)
		http_respond_error(request, error);
	else if (body.detach)
		start_detached(request, context, exec, &body);
	else
		start_attached(request, context, exec, &body);
}

/* ---- the size of its terminal ---- */

static void resize_exec(HttpRequest *request, void *context)
{
	Exec *exec = find_exec(request, context);
	int rows = 0, columns = 0;

	if (!exec)
		return;
	Error *error = request_console_size(&rows, &columns, request);
	if (!error)
		error = exec_resize(exec, rows, columns);
	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 200);
}

const HttpRoute exec_routes[] = {
	{"POST", "/containers/{id}/exec", create_exec, 0, 0},
	{"POST", "/exec/{name}/start", start_exec, 0, 0},
	{"POST", "/exec/{name}/resize", resize_exec, 0, 0},
	{"GET", "/exec/{name}/json", inspect_exec, 0, 0},
	{0},
};
