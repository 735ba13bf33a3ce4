// SPDX-License-Identifier: Apache-2.0
#include "cli/foreground.h"

#include <signal.h>

#include "base/memory.h"
#include "base/process.h"
#include "cli/terminal.h"

static void on_signal(void *arg, int signal);

void foreground_init(Foreground *foreground, Cli *cli, const char *id)
{
	*foreground = (Foreground){.cli = cli, .id = mem_strdup(id)};
	session_init(&foreground->session, on_signal, foreground);
}

void foreground_clear(Foreground *foreground)
{
	http_client_free(foreground->wait);
	if (foreground->cli) /* else it never began */
		session_clear(&foreground->session);
	free(foreground->id);
}

/* ---- before the start ---- */

fallible foreground_wait(Foreground *foreground, const char *condition)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", foreground->id, "/wait");
	target_query(&target, "condition", condition);
	HttpCall call = {.method = "POST", .target = buffer_text(&target)};
	foreground->wait = api_connect(foreground->cli);
	return api_open(foreground->wait, &call);
}

fallible foreground_attach(Foreground *foreground, const ForegroundStreams *streams)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", foreground->id, "/attach");
	target_query_flag(&target, "stream", true);
	target_query_flag(&target, "stdin", streams->wants_stdin);
	target_query_flag(&target, "stdout", streams->wants_stdout);
	target_query_flag(&target, "stderr", streams->wants_stderr);
	target_query(&target, "detachKeys", streams->detach_keys);
	HttpCall call = {.method = "POST", .target = buffer_text(&target)};
	TRY(session_open(&foreground->session, foreground->cli, &call, streams->has_terminal));
	return streams->wants_stdin ? session_take_input(&foreground->session, streams->detach_keys) : NULL;
}

fallible foreground_proxy_signals(Foreground *foreground, bool proxies)
{
	return session_watch_signals(&foreground->session, proxies);
}

/* ---- while it runs ---- */

/* One that has just ended is no failure; whatever else is wrong is said, and the output goes on. */
static void tell_problem(Error *error)
{
	if (!error)
		return;
	if (error_kind(error) == ERROR_CONFLICT || error_kind(error) == ERROR_NOT_FOUND)
		error_free(error);
	else
		cli_report(error);
}

static void send_signal(Foreground *foreground, int signal)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", foreground->id, "/kill");
	target_query(&target, "signal", signal_name(signal));
	tell_problem(api_post(foreground->cli, NULL, buffer_text(&target), NULL));
}

/* more: characters that it is wider and higher than ours. */
static void send_size(Foreground *foreground, int more)
{
	autoclear(Buffer) target = {0};
	int rows, columns;

	if (!foreground->session.demux.is_raw || !terminal_size(stdout, &rows, &columns))
		return;
	target_path(&target, "/containers/", foreground->id, "/resize");
	target_query_int(&target, "h", rows + more);
	target_query_int(&target, "w", columns + more);
	tell_problem(api_post(foreground->cli, NULL, buffer_text(&target), NULL));
}

static void on_signal(void *arg, int signal)
{
	if (signal == SIGWINCH)
		send_size(arg, 0);
	else
		send_signal(arg, signal);
}

void foreground_started(Foreground *foreground)
{
	send_size(foreground, 0);
}

void foreground_redraw(Foreground *foreground)
{
	send_size(foreground, 1);
	send_size(foreground, 0);
}

static fallible read_wait(Foreground *foreground, Buffer *body)
{
	bool end = false;

	while (!end) {
		int fd = http_client_poll_fd(foreground->wait);
		if (fd >= 0)
			TRY(session_wait_readable(&foreground->session, fd));
		TRY(http_client_read(foreground->wait, body, &end));
	}
	return NULL;
}

void foreground_wait_out(Foreground *foreground)
{
	autoclear(Buffer) body = {.limit = API_ERROR_MAX};

	error_free(read_wait(foreground, &body)); /* the failed start is the error to tell */
}

/* The output is the shim's and has come to its end; a kedged that was killed meanwhile may be back by now. */
static fallible wait_again(Foreground *foreground, Buffer *body)
{
	buffer_truncate(body, 0);
	foreground->wait = http_client_free(foreground->wait);
	TRY(foreground_wait(foreground, "not-running"));
	return read_wait(foreground, body);
}

static fallible read_exit(Foreground *foreground, Value **ret)
{
	autoclear(Buffer) body = {.limit = API_ERROR_MAX};
	Error *error = read_wait(foreground, &body);

	if (error) {
		error_free(error); /* the second answer is the one to tell */
		error = wait_again(foreground, &body);
	}
	if (!error)
		error = value_parse(ret, buffer_text(&body), body.length);
	if (!error)
		return NULL;
	return error_hint(error_wrap(error, "could not learn the exit status of container \"%.12s\"", foreground->id),
		"the container goes on without us: look with \"kedge ps\"");
}

fallible foreground_run(Foreground *foreground, int *ret_status)
{
	autoptr(Value) answer = NULL;

	TRY(session_run(&foreground->session));
	*ret_status = 0;
	if (foreground->session.has_detached || !foreground->wait)
		return NULL;
	TRY(read_exit(foreground, &answer));
	const char *message = value_string(value_path(answer, "Error.Message"));
	if (!string_empty(message))
		return error_new(ERROR_UNAVAILABLE, "%s", message);
	*ret_status = (int)value_int(value_get(answer, "StatusCode"), 0);
	return NULL;
}
