// SPDX-License-Identifier: Apache-2.0
#include "cli/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/process.h"

enum { READ_SIZE = 64 << 10 };

/* Those that a user or a supervisor sends; the others are about this process alone. */
static const int proxied[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT};

void foreground_init(Foreground *foreground, Cli *cli, const char *id)
{
	*foreground = (Foreground){.cli = cli, .id = mem_strdup(id), .output = -1, .signals = -1};
	foreground->demux = (Demux){.out = STDOUT_FILENO, .err = STDERR_FILENO};
}

void foreground_clear(Foreground *foreground)
{
	http_client_free(foreground->wait);
	close_fd(&foreground->output);
	close_fd(&foreground->signals);
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

fallible foreground_attach(Foreground *foreground, bool wants_stdout, bool wants_stderr, bool is_raw)
{
	autoclear(Buffer) target = {0}, early = {0};
	autoptr(HttpClient) client = api_connect(foreground->cli);

	target_path(&target, "/containers/", foreground->id, "/attach");
	target_query_flag(&target, "stream", true);
	target_query_flag(&target, "stdout", wants_stdout);
	target_query_flag(&target, "stderr", wants_stderr);
	HttpCall call = {.method = "POST", .target = buffer_text(&target), .upgrades = true};
	TRY(api_open(client, &call));
	if (http_client_status(client) != 101)
		return error_new(ERROR_UNAVAILABLE, "kedged did not switch the connection over for the output");
	foreground->output = http_client_hijack(client, &early);
	foreground->demux.is_raw = is_raw;
	return demux_feed(&foreground->demux, buffer_text(&early), early.length);
}

fallible foreground_proxy_signals(Foreground *foreground)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(proxied) / sizeof(proxied[0]); i++)
		sigaddset(&set, proxied[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(errno, "could not hold signals back");
	foreground->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (foreground->signals < 0)
		return error_errno(errno, "could not make a signalfd");
	return NULL;
}

/* ---- while it runs ---- */

/* A signal for a container that has just ended is no failure; whatever else is wrong is said, and the output goes on.
 */
static void send_signal(Foreground *foreground, int signal)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", foreground->id, "/kill");
	target_query(&target, "signal", signal_name(signal));
	Error *error = api_post(foreground->cli, NULL, buffer_text(&target), NULL);
	if (!error)
		return;
	if (error_kind(error) == ERROR_CONFLICT || error_kind(error) == ERROR_NOT_FOUND)
		error_free(error);
	else
		cli_report(error);
}

static void forward_signals(Foreground *foreground)
{
	struct signalfd_siginfo info;

	while (read(foreground->signals, &info, sizeof(info)) == sizeof(info))
		send_signal(foreground, (int)info.ssi_signo);
}

/* Waits until fd is readable and serves signals meanwhile. */
static fallible wait_readable(Foreground *foreground, int fd)
{
	struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = foreground->signals, .events = POLLIN}};

	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return error_errno(errno, "could not wait for output");
		if (polls[1].revents & POLLIN)
			forward_signals(foreground);
		if (polls[0].revents)
			return NULL;
	}
}

static fallible copy_some(Foreground *foreground, bool *ret_end)
{
	char data[READ_SIZE];

	TRY(wait_readable(foreground, foreground->output));
	ssize_t length = recv(foreground->output, data, sizeof(data), 0);
	if (length < 0 && errno == EINTR)
		return NULL;
	if (length < 0)
		return error_errno(errno, "could not read the container's output");
	*ret_end = length == 0;
	return demux_feed(&foreground->demux, data, (size_t)length);
}

static fallible copy_output(Foreground *foreground)
{
	bool end = foreground->output < 0;

	while (!end)
		TRY(copy_some(foreground, &end));
	close_fd(&foreground->output);
	return demux_end(&foreground->demux);
}

static fallible read_wait(Foreground *foreground, Buffer *body)
{
	bool end = false;

	while (!end) {
		int fd = http_client_poll_fd(foreground->wait);
		if (fd >= 0)
			TRY(wait_readable(foreground, fd));
		TRY(http_client_read(foreground->wait, body, &end));
	}
	return NULL;
}

void foreground_wait_out(Foreground *foreground)
{
	autoclear(Buffer) body = {.limit = API_ERROR_MAX};

	error_free(read_wait(foreground, &body)); /* the failed start is the error to tell */
}

static fallible read_exit(Foreground *foreground, Value **ret)
{
	autoclear(Buffer) body = {.limit = API_ERROR_MAX};
	Error *error = read_wait(foreground, &body);

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

	TRY(copy_output(foreground));
	TRY(read_exit(foreground, &answer));
	const char *message = value_string(value_path(answer, "Error.Message"));
	if (!string_empty(message))
		return error_new(ERROR_UNAVAILABLE, "%s", message);
	*ret_status = (int)value_int(value_get(answer, "StatusCode"), 0);
	return NULL;
}
