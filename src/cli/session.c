// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

enum { READ_SIZE = 64 << 10 };

/* Those that a user or a supervisor sends; the others are about this process alone. */
static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT};
/* Those of them that end a process: not before its terminal is restored. */
static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};

void session_init(Session *session, void (*on_signal)(void *arg, int signal), void *arg)
{
	session->connection = session->input = session->signals = session->raw.fd = -1;
	session->demux = (Demux){.out = STDOUT_FILENO, .err = STDERR_FILENO};
	session->has_detached = session->forwards_signals = false;
	session->start = session->end = 0;
	session->on_signal = on_signal;
	session->arg = arg;
}

void session_clear(Session *session)
{
	raw_terminal_end(&session->raw);
	close_fd(&session->connection);
	close_fd(&session->signals);
}

/* ---- before it runs ---- */

fallible session_open(Session *session, const Cli *cli, HttpCall *call, bool is_raw)
{
	autoclear(Buffer) early = {0};
	autoptr(HttpClient) client = api_connect(cli);

	call->upgrades = true;
	TRY(api_open(client, call));
	if (http_client_status(client) != 101)
		return error_new(ERROR_UNAVAILABLE, "kedged did not switch the connection over for the output");
	session->connection = http_client_hijack(client, &early);
	session->demux.is_raw = is_raw;
	return demux_feed(&session->demux, buffer_text(&early), early.length);
}

fallible session_check_terminal(bool is_raw, const char *hint)
{
	if (!is_raw || isatty(STDIN_FILENO))
		return NULL;
	return error_hint(error_new(ERROR_INVALID, "the input device is not a TTY"),
		"standard input is no terminal: leave out %s", hint);
}

fallible session_take_input(Session *session, const char *detach_keys)
{
	TRY(keys_parse(&session->detach_keys, detach_keys));
	session->input = STDIN_FILENO;
	if (session->demux.is_raw)
		return raw_terminal_begin(&session->raw, STDIN_FILENO);
	session->detach_keys.count = 0;
	return NULL;
}

static void add_signals(sigset_t *set, const int *signals, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sigaddset(set, signals[i]);
}

fallible session_watch_signals(Session *session, bool forwards)
{
	sigset_t set;

	sigemptyset(&set);
	if (forwards)
		add_signals(&set, forwarded, COUNT(forwarded));
	else if (session->raw.fd >= 0)
		add_signals(&set, ending, COUNT(ending));
	if (session->raw.fd >= 0)
		sigaddset(&set, SIGWINCH);
	session->forwards_signals = forwards;
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(errno, "could not hold signals back");
	session->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (session->signals < 0)
		return error_errno(errno, "could not make a signalfd");
	signal(SIGPIPE, SIG_IGN); /* nobody reads our output any more: that is an error as any other */
	return NULL;
}

/* ---- signals ---- */

static void end_by_signal(Session *session, int number)
{
	sigset_t set;

	raw_terminal_end(&session->raw);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void take_signals(Session *session)
{
	struct signalfd_siginfo info;

	while (read(session->signals, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;
		if (session->forwards_signals || number == SIGWINCH)
			session->on_signal(session->arg, number);
		else
			end_by_signal(session, number);
	}
}

static fallible poll_all(struct pollfd *polls, size_t count)
{
	if (poll(polls, count, -1) < 0 && errno != EINTR)
		return error_errno(errno, "could not wait for output");
	return NULL;
}

fallible session_wait_readable(Session *session, int fd)
{
	struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = session->signals, .events = POLLIN}};

	while (!polls[0].revents) {
		TRY(poll_all(polls, COUNT(polls)));
		if (polls[1].revents & POLLIN)
			take_signals(session);
	}
	return NULL;
}

/* ---- input ---- */

static bool has_piece(const Session *session)
{
	return session->start < session->end;
}

/* The daemon gets the keys as well: it tells others that somebody has detached. */
static void look_for_keys(Session *session, size_t length)
{
	Keys *keys = &session->detach_keys;
	char *to = session->piece;

	session->start = 0;
	session->end = keys_pass(keys, to, to + KEYS_MAX, length, &session->has_detached);
	if (!session->has_detached)
		return;
	memcpy(to + session->end, keys->bytes, keys->count);
	session->end += keys->count;
}

static void read_input(Session *session)
{
	ssize_t length = read(session->input, session->piece + KEYS_MAX, SESSION_PIECE);

	if (length < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (length > 0) {
		look_for_keys(session, (size_t)length);
		return;
	}
	session->input = -1;
	shutdown(session->connection, SHUT_WR);
}

/* Who does not read it any more may still have something to say. */
static void send_input(Session *session)
{
	ssize_t count = send(session->connection, session->piece + session->start, session->end - session->start,
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (count >= 0) {
		session->start += (size_t)count;
	} else if (errno != EAGAIN && errno != EINTR) {
		session->input = -1;
		session->start = session->end = 0;
	}
}

/* ---- output ---- */

static fallible copy_output(Session *session)
{
	char data[READ_SIZE];
	ssize_t length = recv(session->connection, data, sizeof(data), MSG_DONTWAIT);

	if (length < 0 && (errno == EINTR || errno == EAGAIN))
		return NULL;
	/* What it has not read of our input resets the connection: that is its end as any other. */
	if (length < 0 && errno != ECONNRESET)
		return error_errno(errno, "could not read the container's output");
	if (length <= 0)
		close_fd(&session->connection);
	return length > 0 ? demux_feed(&session->demux, data, (size_t)length) : NULL;
}

static fallible step(Session *session)
{
	bool sends = has_piece(session), takes = !sends && !session->has_detached;
	struct pollfd polls[] = {
		{.fd = session->connection, .events = (short)(POLLIN | (sends ? POLLOUT : 0))},
		{.fd = session->signals, .events = POLLIN},
		{.fd = takes ? session->input : -1, .events = POLLIN},
	};

	TRY(poll_all(polls, COUNT(polls)));
	if (polls[1].revents & POLLIN)
		take_signals(session);
	if (polls[2].revents)
		read_input(session);
	if (has_piece(session))
		send_input(session);
	return polls[0].revents & (POLLIN | POLLHUP | POLLERR) ? copy_output(session) : NULL;
}

fallible session_run(Session *session)
{
	while (session->connection >= 0 && (!session->has_detached || has_piece(session)))
		TRY(step(session));
	raw_terminal_end(&session->raw);
	if (session->has_detached)
		return NULL;
	return demux_end(&session->demux);
}
