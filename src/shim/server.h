// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the files of the shim's loop share, and nothing else includes: begin.c sets it up, life.c moves the container
 * through its phases, talk.c hears requests and answers, attend.c serves the clients, serve.c waits.
 *
 *            runtime ended well            init ended            output read, exit told
 * STARTING ----------------------> RUNNING -----------> DRAINING ---------------------> REMOVING ---> LEAVING
 *     `-------- failed, timed out -----------------------------------------------------^
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "shim/clients.h"
#include "shim/connections.h"
#include "shim/execs.h"
#include "shim/oomwatch.h"
#include "shim/relaywatch.h"
#include "shim/settings.h"
#include "shim/streams.h"

typedef enum Phase { STARTING, RUNNING, DRAINING, REMOVING, LEAVING } Phase;

#define STALL_NS (SHIM_STALL_SECONDS * NANOS_PER_SECOND)
#define NEVER INT64_MAX

enum { PAGE = 4096 };

/* Everything large: in pages of its own, which go back to the kernel when it is quiet. */
typedef struct Scratch {
	char streams[2][STREAM_MEMORY] __attribute__((aligned(PAGE)));
	char outputs[EXECS_MAX * SHIM_EXEC_OUTPUT_MAX] __attribute__((aligned(PAGE)));
	char batch[LOG_BATCH_SIZE] __attribute__((aligned(PAGE)));
	char gather[GATHER_MEMORY] __attribute__((aligned(PAGE)));
	char request[REQUEST_MAX] __attribute__((aligned(PAGE)));
	char input[INPUT_MEMORY] __attribute__((aligned(PAGE)));
} Scratch;

typedef struct Server {
	const ShimSettings *settings;
	ShimStatus status;
	Phase phase;
	int64_t deadline_ns; /* of the phase */
	int64_t quiet_ns;    /* when to give memory back; NEVER: done */
	int signal_fd, state_dir;
	pid_t runtime, init; /* 0: not, or no more */
	int mounts_fd;       /* the container's mount namespace; -1: none */
	int pending_signal;  /* came before there was a process */
	OomWatch oom;
	RelayWatch relays;
	bool keeps_log;
	bool log_is_full; /* of lines that were not sent: nothing is read of the container now */
	LogFile log;
	Gather gather; /* of a log in blocks */
	Stream streams[2];
	Input input;
	int console_fd; /* where the runtime hands over the terminal; -1: there is none, or it has */
	Connections connections;
	Clients clients;
	Execs execs;
	Scratch *scratch;
} Server;

/* begin.c */
void server_adopt_descriptors(Server *s); /* those that the shim was started with */
fallible server_begin(Server *s);         /* as far as that the runtime is at work */

/* life.c */
LogFile *server_log(Server *s); /* NULL: nothing is kept */
void server_start_failed(Server *s, const char *reason);
void server_reap(Server *s);
void server_oom(Server *s);                  /* the kernel has given notice */
void server_step(Server *s, int64_t now_ns); /* before answers: what time and streams bring */
/* After answers: who waits for the end does not wait for the cleanup. */
void server_step_removal(Server *s, int64_t now_ns);

/* talk.c */
void server_receive(Server *s, int place);
void server_answer(Server *s, int64_t now_ns);
/* Whether it is dropped when it takes nothing for STALL_NS. kedged itself may sleep as long as it likes, but for the
 * end. */
bool server_minds_stall(const Server *s, const Connection *connection);

/* attend.c */
void server_on_client(Server *s, const void *payload, size_t length, int fd); /* fd: taken */
void server_on_resize(Server *s, const void *payload, size_t length);
void server_attend(Server *s, int64_t now_ns); /* after the answers: output, and who is done */
