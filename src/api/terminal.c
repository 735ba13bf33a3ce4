// SPDX-License-Identifier: Apache-2.0
/* GET /kedge/v1/exec/{name}/ws: POST /exec/{id}/start for browsers, which can take no connection over but a
 * websocket's. Input and output go in binary messages; the connection is handed over to the command's shim behind a
 * kedge-ws, so that it outlives kedged. "h" and "w" are the size of its terminal. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/internal.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/exec.h"
#include "websocket/carrier.h"

enum { SIDE_MAX = UINT16_MAX };

typedef struct Terminal {
	Engine *engine;
	Exec *exec;
	int64_t rows, columns;
	int plain; /* kedge-ws has the client, and this is its other side */
} Terminal;

static void terminal_free(Terminal *terminal)
{
	exec_unref(terminal->exec);
	close_fd(&terminal->plain);
	free(terminal);
}

/* The handshake was answered: as with Docker's exec, the reason stands where the output would. */
static void tell_failure(const Terminal *terminal, const char *reason)
{
	autofree char *text = string_printf("%s\r\n", reason);

	if (send(terminal->plain, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("a client has left before it could be told: %s", reason);
}

static void on_started(void *arg, Error *take_error)
{
	Terminal *terminal = arg;

	if (take_error)
		tell_failure(terminal, error_message(take_error));
	error_free(take_error); /* told */
	terminal_free(terminal);
}

static fallible carry(Terminal *terminal, int client, const char *early, size_t length)
{
	autofree char *program = engine_program(terminal->engine, "kedge-ws");
	const WebsocketClient websocket = {.takes_input = true, .early = early, .early_length = length};

	return websocket_carry(&terminal->plain, engine_loop(terminal->engine), program, &websocket, client);
}

static fallible start(Terminal *terminal)
{
	ExecView view;

	exec_view(terminal->exec, &view);
	const ExecClient client = {.fd = terminal->plain, .is_framed = !view.spec->tty};
	const ExecStart start = {
		.client = &client, .console_rows = terminal->rows, .console_columns = terminal->columns};
	return exec_start(terminal->exec, &start, on_started, terminal);
}

static void on_websocket(void *arg, int fd, const char *early, size_t length)
{
	Terminal *terminal = arg;
	autofd client = fd;
	Error *error = fd < 0 ? NULL : carry(terminal, fd, early, length);

	if (error)
		error_log(error, "could not begin a websocket");
	if (terminal->plain < 0) {
		terminal_free(terminal);
		return;
	}
	error = start(terminal);
	if (error)
		on_started(terminal, error);
}

static fallible read_request(Terminal *terminal, const HttpRequest *request)
{
	TRY(request_int(&terminal->rows, request, "h", 0));
	TRY(request_int(&terminal->columns, request, "w", 0));
	if (terminal->rows < 0 || terminal->rows > SIDE_MAX || terminal->columns < 0 || terminal->columns > SIDE_MAX)
		return error_new(ERROR_INVALID, "parameters \"h\" and \"w\" must be numbers of characters");
	Exec *exec = NULL;
	TRY(exec_find(&exec, terminal->engine, http_request_param(request, "name")));
	terminal->exec = exec_ref(exec);
	return exec_check_container(exec);
}

static void open_terminal(HttpRequest *request, void *context)
{
	Terminal *terminal = mem_new(Terminal);

	terminal->engine = api_engine(context);
	terminal->plain = -1;
	Error *error = read_request(terminal, request);
	if (!error)
		error = http_hijack_websocket(request, on_websocket, terminal);
	if (!error)
		return;
	terminal_free(terminal);
	http_respond_error(request, error);
}

const HttpRoute terminal_routes[] = {
	{"GET", "/kedge/v1/exec/{name}/ws", open_terminal, 0, 0},
	{0},
};
