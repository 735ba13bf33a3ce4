// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container in the foreground (run, start --attach, attach): its output comes here, our input and signals go there,
 * and its exit status is ours. The steps are apart because of their order: wait and attach must be open before the
 * container starts, or a quick one would be missed.
 */
#include "cli/session.h"

typedef struct ForegroundStreams {
	bool wants_stdin, wants_stdout, wants_stderr;
	bool has_terminal; /* the container */
	const char *detach_keys;
} ForegroundStreams;

typedef struct Foreground {
	Cli *cli;
	char *id;
	HttpClient *wait; /* answers when the container has ended */
	Session session;
} Foreground;

void foreground_init(Foreground *foreground, Cli *cli, const char *id);
void foreground_clear(Foreground *foreground);
DEFINE_AUTOCLEAR(Foreground, foreground_clear)

/* condition: "next-exit", "removed", "not-running". Returns when the daemon has it noted. */
fallible foreground_wait(Foreground *foreground, const char *condition);
fallible foreground_attach(Foreground *foreground, const ForegroundStreams *streams);
/* From now on, or never: HUP, INT, QUIT, TERM, USR1, ... go to the container. */
fallible foreground_proxy_signals(Foreground *foreground, bool proxies);
/* It runs: its terminal becomes as large as ours, now and whenever ours changes. */
void foreground_started(Foreground *foreground);
/* It has run before we came: what it shows on its terminal is drawn again for a new size. */
void foreground_redraw(Foreground *foreground);
/* Waits for what foreground_wait() was told, whatever its answer: for who knows already that the start failed. */
void foreground_wait_out(Foreground *foreground);
/* Copies to the end, then waits for the exit status; 0 for who has detached and for who has asked for no status. */
fallible foreground_run(Foreground *foreground, int *ret_status);
