// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container in the foreground (run, start --attach, attach): its output comes here, signals go there, and its exit
 * status is ours. The steps are apart because of their order: wait and attach must be open before the container starts,
 * or a quick one would be missed.
 */
#include "cli/api.h"
#include "cli/demux.h"

typedef struct Foreground {
	Cli *cli;
	char *id;
	HttpClient *wait; /* answers when the container has ended */
	int output;       /* the hijacked connection; -1: none */
	int signals;      /* signalfd(2); -1: signals act as they do anywhere */
	Demux demux;
} Foreground;

void foreground_init(Foreground *foreground, Cli *cli, const char *id);
void foreground_clear(Foreground *foreground);
DEFINE_AUTOCLEAR(Foreground, foreground_clear)

/* condition: "next-exit", "removed", "not-running". Returns when the daemon has it noted. */
fallible foreground_wait(Foreground *foreground, const char *condition);
/* stdout and stderr as asked for; raw for a container with a terminal. */
fallible foreground_attach(Foreground *foreground, bool wants_stdout, bool wants_stderr, bool is_raw);
/* From now on HUP, INT, QUIT, TERM, USR1, ... go to the container. */
fallible foreground_proxy_signals(Foreground *foreground);
/* Waits for what foreground_wait() was told, whatever its answer: for who knows already that the start failed. */
void foreground_wait_out(Foreground *foreground);
/* Copies output to its end, then waits for the exit status. */
fallible foreground_run(Foreground *foreground, int *ret_status);
