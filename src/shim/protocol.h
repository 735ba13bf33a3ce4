// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedged and a kedge-shim say to each other: one packet a message over SOCK_SEQPACKET, a ShimHeader and then
 * `length` bytes. Both ends are on one machine, but may be of different versions (an upgrade leaves shims running):
 * messages are only ever added, and an unknown one is ignored.
 *
 * The shim is spawned with one connection as descriptor 3 and listens on <run>/shim.sock for later ones. Every
 * connection gets SHIM_STATUS first, then SHIM_STARTED / SHIM_OOM / SHIM_EXITED / SHIM_EXEC_EXITED as they happen. A
 * connection that sent SHIM_ATTACH gets SHIM_OUTPUT too, with back-pressure: the container waits for a slow reader as
 * it would on a pipe, at most SHIM_STALL_SECONDS, then the reader is dropped.
 *
 * SHIM_HOLD is for who reads the log first: the streams that it names stand still until its connection attaches or
 * leaves, SHIM_STALL_SECONDS at most, and SHIM_HELD tells for each what is not in the log yet. A client that is handed
 * over on the same connection meanwhile gets exactly what follows.
 *
 * SHIM_CLIENT hands over the socket of a client (SCM_RIGHTS): from then on the shim talks with it, and nobody else
 * (clients.h). The same back-pressure holds for it.
 */
#include <stdint.h>

#include "base/keys.h"

enum { SHIM_PROTOCOL = 1, SHIM_PACKET_MAX = 60 * 1024, SHIM_STALL_SECONDS = 10 };

typedef enum ShimMessage {
	/* to the shim */
	SHIM_SIGNAL = 1, /* ShimSignal */
	SHIM_ATTACH,     /* ShimAttach */
	SHIM_EXEC,       /* ShimExec, then the path of the process file, NUL-terminated */
	SHIM_FORGET,     /* the exit is on record: the shim may end as soon as it has cleaned up */
	SHIM_CLIENT,     /* ShimClient, its detach keys, input that came early; with the client's socket */
	SHIM_RESIZE,     /* ShimResize */
	SHIM_HOLD,       /* ShimAttach */
	SHIM_RELAY,      /* ShimRelay: the container's address is another one, or none */
	/* from the shim */
	SHIM_STATUS = 64, /* ShimStatus */
	SHIM_STARTED,     /* ShimStatus */
	SHIM_FAILED, /* ShimStatus, then text: the runtime could not start the container; an exit follows in no case */
	SHIM_EXITED, /* ShimStatus */
	SHIM_OUTPUT, /* one byte stream (1 stdout, 2 stderr), then bytes; no bytes: this stream ended */
	SHIM_EXEC_EXITED, /* ShimExecExit, then captured output (at most SHIM_EXEC_OUTPUT_MAX bytes) */
	SHIM_OOM,         /* ShimStatus: the kernel's OOM killer has struck, and the container may live on */
	SHIM_DETACHED,    /* ShimStatus: a client has detached by its keys */
	SHIM_HELD,        /* one byte stream, then the beginning of a line that is not in the log yet */
} ShimMessage;

enum { SHIM_EXEC_OUTPUT_MAX = 4096 };

typedef struct ShimHeader {
	uint32_t message;
	uint32_t length;
} ShimHeader;

typedef enum ShimState { SHIM_STARTING, SHIM_RUNNING, SHIM_ENDED, SHIM_START_FAILED } ShimState;

/* Also the content of the exit file <state>/exit, which the shim writes (atomically) before it tells anybody. */
typedef struct ShimStatus {
	uint32_t protocol;
	uint32_t state; /* ShimState */
	uint64_t run;   /* the number of this start, given by --run: an exit file of an earlier start is told by it */
	int32_t pid;    /* of the container's init in our pid namespace; 0 before it is known */
	int32_t exit_code;    /* 0..255; 128 + signal when killed by one */
	uint32_t exit_signal; /* 0 when it exited by itself */
	uint32_t oom_killed;  /* the kernel's OOM killer hit the container */
	int64_t started_wall_ns, finished_wall_ns;
	int64_t started_monotonic_ns, finished_monotonic_ns;
	char error[256];    /* state SHIM_START_FAILED: the runtime's reason */
	uint32_t not_found; /* SHIM_START_FAILED: 127 the command does not exist, 126 it cannot be executed, else 0 */
	uint32_t features;  /* SHIM_CAN_...: what an earlier shim does not know is not waited for */
	uint32_t reserved[6];
} ShimStatus;

enum { SHIM_CAN_HOLD = 1 };

typedef struct ShimSignal {
	int32_t signal;
	uint32_t reserved;
} ShimSignal;

typedef struct ShimAttach {
	uint32_t want_stdout, want_stderr;
	uint32_t reserved[2];
} ShimAttach;

enum { SHIM_WANTS_STDIN = 1, SHIM_WANTS_STDOUT = 2, SHIM_WANTS_STDERR = 4 };

typedef struct ShimClient {
	uint32_t wants;        /* SHIM_WANTS_... */
	uint32_t is_framed;    /* 0: raw */
	uint32_t ends_input;   /* the end of its input is the end of the program's */
	uint32_t key_count;    /* bytes: at most KEYS_MAX */
	uint32_t early_length; /* at most SHIM_EARLY_MAX */
	uint32_t reserved[5];
} ShimClient;

enum { SHIM_EARLY_MAX = 48 * 1024 };

typedef struct ShimResize {
	uint16_t rows, columns; /* of the terminal, in characters */
	uint32_t reserved[3];
} ShimResize;

enum { SHIM_ADDRESS_MAX = 64 };

typedef struct ShimRelay {
	char to[SHIM_ADDRESS_MAX]; /* NUL-terminated; "": none */
	uint32_t reserved[4];
} ShimRelay;

typedef struct ShimExec {
	uint64_t exec;      /* the caller's number, comes back in ShimExecExit */
	int64_t timeout_ms; /* then KILL; 0: none */
} ShimExec;

typedef struct ShimExecExit {
	uint64_t exec;
	int32_t exit_code; /* -1: it could not be started, the output says why */
	uint32_t timed_out;
} ShimExecExit;
