// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Commands that run in the container besides its init (health checks): started by the runtime, which leaves them to the
 * shim as children. The first SHIM_EXEC_OUTPUT_MAX bytes of what they write are kept. The answer goes to the connection
 * that asked; if that has left, to nobody.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shim/connections.h"
#include "shim/settings.h"

enum { EXECS_MAX = 16 };

typedef struct Exec {
	bool is_used, is_done;
	int place; /* of the connection; -1: it has left */
	ShimExecExit exit;
	pid_t runtime, pid; /* 0: not (or no more) there */
	int output_fd;
	int64_t deadline_ns; /* 0: none */
	char *output;        /* lent: SHIM_EXEC_OUTPUT_MAX bytes */
	size_t length;
} Exec;

typedef struct Execs {
	Exec table[EXECS_MAX];
} Execs;

void execs_init(Execs *execs, char *memory); /* EXECS_MAX * SHIM_EXEC_OUTPUT_MAX bytes */
/* payload: ShimExec and a path. Whatever fails is answered like an end. False: the connection is no good any more. */
bool execs_start(Execs *execs, const ShimSettings *settings, Connections *connections, int place, const void *payload,
	size_t length);
/* Answers a request that cannot be met now. False: as above. */
bool execs_refuse(Connection *connection, const void *payload, size_t length, const char *reason);
void exec_read(Exec *exec);
bool execs_have(const Execs *execs, pid_t pid);
bool execs_reap(Execs *execs); /* looks at every process it waits for; true while a runtime is at work */
void execs_check_deadlines(Execs *execs, int64_t now_ns);
int64_t execs_next_deadline(const Execs *execs); /* INT64_MAX: none */
void execs_forget_connection(Execs *execs, int place);
void execs_end(Execs *execs); /* the container is over: what has not ended has failed */
/* Answers what is done. */
SendResult execs_send(Execs *execs, Connection *connection, int place);
bool execs_are_idle(const Execs *execs);
