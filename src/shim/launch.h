// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Running the OCI runtime: start, exec, delete, each one process whose end the loop notices. The containers' processes
 * become the shim's children when the runtime has gone (the shim is a subreaper). All paths here are relative to the
 * bundle, the working directory.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "shim/settings.h"

enum { RUNTIME_REASON_MAX = 256, RUNTIME_NAME_MAX = 32 };

typedef struct ProgramStreams {
	int in; /* -1: /dev/null */
	int out, err;
} ProgramStreams;

/* The shim should be the last to fall to the kernel's OOM killer; what it starts is not protected with it. */
void launch_protect(void);
void launch_unprotect(void); /* by who is started, if it inherited the protection */
/* Removes what an earlier start left: the pid and the log. */
void launch_forget_earlier(void);

fallible launch_run(pid_t *ret, const ShimSettings *settings, const ProgramStreams *streams);
typedef struct LaunchExec {
	const char *process_file;
	const char *pid_file, *log_file; /* removed first */
	ProgramStreams streams;
	bool has_terminal; /* the process file asks for one: handed over at console_name */
} LaunchExec;
fallible launch_exec(pid_t *ret, const ShimSettings *settings, const LaunchExec *exec);
fallible launch_delete(pid_t *ret, const ShimSettings *settings);

/* The process that the runtime left to us: 0 when it left none. */
pid_t launch_read_pid(const char *pid_file);
/* The last error in the runtime's log, shortened; false when there is none. */
bool launch_read_reason(char ret[RUNTIME_REASON_MAX], const char *log_file);
/* The shell's word for a reason: 127 no such command, 126 not executable, 0 anything else. */
int launch_reason_code(const char *reason);
