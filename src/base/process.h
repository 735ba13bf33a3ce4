// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Starting other programs without fork's cost (posix_spawn: the parent's page tables are never copied). All descriptors
 * of ours are close-on-exec; a child gets exactly those that its spec lists. Secrets never go into argv or env
 * (invariant 9).
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum { PROCESS_FDS_MAX = 16 };

typedef struct ProcessFd {
	int from; /* ours */
	int to;   /* the child's number */
} ProcessFd;

typedef struct ProcessSpec {
	const char *path;        /* absolute, or looked up in PATH */
	int program_fd;          /* an open program in place of path, which only names it; 0: none */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated; NULL gives PATH and nothing else */
	const char *directory;   /* NULL: ours */
	ProcessFd fds[PROCESS_FDS_MAX];
	size_t fd_count;  /* 0, 1, 2 not listed become /dev/null (2: ours) */
	const int *block; /* any number more: the child's block_to, block_to + 1, ..., above all that fds lists */
	size_t block_count;
	int block_to;
	bool new_session; /* setsid(2) */
} ProcessSpec;

fallible process_spawn(pid_t *ret, const ProcessSpec *spec);
/* "exit status 3", "killed by signal 9 (KILL)" */
void process_status_text(char *ret, size_t size, int wait_status);

/* Signals by name ("TERM", "SIGTERM", "15"): the number, or an ERROR_INVALID that names what was given. */
fallible signal_parse(int *ret, const char *text);
const char *signal_name(int signal); /* "TERM"; NULL when unknown */
