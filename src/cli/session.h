// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A connection that the daemon has switched over to a container: what is typed or piped in goes there, what comes goes
 * to standard output and error. A terminal of ours is raw meanwhile, and restored on every way out: when the session is
 * cleared, and before a signal ends us. A slow container holds back our input and nothing else.
 */
#include <sys/types.h>

#include "base/keys.h"
#include "cli/api.h"
#include "cli/demux.h"
#include "cli/raw_terminal.h"

#define WITHOUT_TTY "\"--tty\"; \"--interactive\" alone hands on what is piped in"

enum { SESSION_PIECE = 32 << 10 };

typedef struct Session {
	int connection; /* -1: none, or it has ended */
	Demux demux;    /* is_raw: there is a terminal on the other side */
	int input;      /* STDIN_FILENO; -1: nothing more goes there */
	Keys detach_keys;
	bool has_detached;
	RawTerminal raw;
	int signals; /* signalfd(2); -1: signals act as they do anywhere */
	bool forwards_signals;
	void (*on_signal)(void *arg, int signal); /* one that is handed on, and SIGWINCH where our terminal is raw */
	void *arg;
	char piece[SESSION_PIECE + KEYS_MAX]; /* input on its way */
	size_t start, end;
} Session;

void session_init(Session *session, void (*on_signal)(void *arg, int signal), void *arg);
void session_clear(Session *session);

/* Sends the request, which asks for the connection. */
fallible session_open(Session *session, const Cli *cli, HttpCall *call, bool is_raw);
/* Docker's words for who has no terminal where one is needed; hint: what to leave out. */
fallible session_check_terminal(bool is_raw, const char *hint);
/* Standard input goes there too. */
fallible session_take_input(Session *session, const char *detach_keys);
/* Before anything is done that a signal should not end halfway. forwards: HUP, INT, QUIT, TERM, USR1, ... are handed
 * on. */
fallible session_watch_signals(Session *session, bool forwards);
/* Until all output has come, or somebody has detached by the keys. */
fallible session_run(Session *session);
/* Until fd is readable; signals are served meanwhile. */
fallible session_wait_readable(Session *session, int fd);
