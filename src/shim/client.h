// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The engine's side of a shim: spawn one for a start, or connect to one that outlived an earlier kedged (invariant 1).
 * One Shim is one connection. Handlers run from the loop, never from inside a call; a Shim may be freed in its own
 * handler. Freeing disconnects and leaves the container running. A shim that this process spawned is reaped when it
 * ends, also long after its Shim was freed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strings.h"
#include "shim/protocol.h"

typedef struct Shim Shim;

typedef struct ShimHandlers {
	void (*status)(void *arg, const ShimStatus *status); /* on connection */
	void (*started)(void *arg, const ShimStatus *status);
	void (*failed)(void *arg, const ShimStatus *status, const char *reason); /* the shim cleans up and ends */
	void (*exited)(void *arg, const ShimStatus *status);
	void (*exec_exited)(void *arg, const ShimExecExit *exit, const char *output, size_t length);
	void (*output)(void *arg, int stream, const char *data, size_t length); /* length 0: the stream ended */
	void (*gone)(void *arg);     /* the connection ended; without exited or failed before it, the shim was killed */
	void (*detached)(void *arg); /* a client has detached by its keys */
	void (*oom)(void *arg, const ShimStatus *status);                     /* the kernel's OOM killer has struck */
	void (*held)(void *arg, int stream, const char *data, size_t length); /* what is not in the log yet */
} ShimHandlers;                                                               /* any may be NULL */

typedef struct ShimOptions {
	const char *program; /* path of kedge-shim */
	int program_fd;      /* its program from shim_seal_program(); 0: none */
	const char *id;
	uint64_t run;
	const char *bundle;  /* <run dir>/<id>: config.json is there; the shim adds shim.sock, pid, runtime.log, and
				mounts rootfs/ here */
	const char *state;   /* <root>/containers/<id>: exit and container.log* are written here */
	const char *runtime; /* path of the OCI runtime */
	const StringList *runtime_options; /* in front of its commands; NULL: none */
	const char *runtime_root;          /* its --root */
	const char *layers;                /* overlay: directory of the lower layers */
	const char *lower; /* overlay: "17:16:3", names in `layers`, topmost first; "" when the image has no layer */
	const char *upper, *work; /* overlay: absolute */
	const char *exec; /* process file of a command in the container, which runs: bundle and state are the command's
			     own directory, layers, lower, upper and work are not used; NULL: the container itself */
	const char *oom_file;      /* NULL: none */
	const char *log_driver;    /* "json-file", "local" or "none" */
	const char *log_forward;   /* kedge-log sends it: "blocking", "non-blocking" (logfile.h); NULL: nobody does */
	bool log_compresses;       /* of "local" */
	int64_t log_max_size;      /* bytes a file; 0: no limit */
	int64_t log_max_files;     /* 1..: container.log, container.log.1, ... */
	const StringList *distant; /* directories to be made before the start; looking at them may take long */
	bool has_stdin;            /* else it is /dev/null */
	bool has_terminal;
	bool is_crun;
	bool is_planned;          /* <bundle>/plan is there: the shim starts the container itself */
	int64_t start_timeout_ms; /* a runtime that hangs longer is killed and reported */
	const char *cgroup; /* cgroupsPath of the container, ends with the id: the shim removes what is left by itself;
			       NULL: the runtime does */
	bool is_volatile;   /* upper is thrown away at the end (--rm): never wait for the disk when it is unmounted */
	const StringList *sources; /* of binds that take a mount of their own (shim/sources.h); NULL: none */
	int64_t shm_pid;           /* process whose /dev/shm is mounted at <bundle>/shm; 0: none */
	int runtime_fd; /* the runtime's program from shim_seal_program(), saves crun a second exec; 0: none */
	int listen_fd;  /* from shim_listen(); 0: the shim makes its socket itself */
	int netns_fd;   /* network namespace that the shim enters before it starts anything, so that the container has
			   it, and config.json none; 0 or -1: none */
	const int *held_fds; /* bound sockets that the shim keeps as long as it lives, and nothing that it starts has */
	size_t held_count;
	/* One for each held socket: the container's port that the shim relays it to (TCP, UDP); 0: not relayed. NULL:
	 * none is. Such a TCP socket should have SO_REUSEADDR, so that the next start can bind it while old connections
	 * linger. */
	const uint16_t *relay_ports;
	const char *relay_to; /* the container's address; "": it has none yet */
} ShimOptions;

/* Makes <bundle>/shim.sock before there is a shim: connections made (and attached) between this and shim_spawn() see
 * the container's output from its first byte. The descriptor is the caller's; close it after shim_spawn(). */
fallible shim_listen(int *ret_fd, const char *bundle);
/* An executable copy of a program in memory, sealed as crun wants it: crun then does not copy and execute itself
 * again. A container that gets hold of the program that started it (/proc/self/exe) can change nothing. One for all
 * shims. */
fallible shim_seal_program(int *ret_fd, const char *path);

fallible shim_spawn(Shim **ret, Loop *loop, const ShimOptions *options, const ShimHandlers *handlers, void *arg);
/* Nobody there is no error: *ret becomes NULL. */
fallible shim_connect(Shim **ret, Loop *loop, const char *bundle, const ShimHandlers *handlers, void *arg);
/* Of a Shim that is left to the next program, which goes on with the same connection: what has been asked for and said
 * on it stays. -1 when it has ended. */
int shim_descriptor(const Shim *shim);
fallible shim_go_on(Shim **ret, Loop *loop, int fd, const ShimHandlers *handlers, void *arg); /* fd: taken */
Shim *shim_free(Shim *shim);
DEFINE_AUTOPTR(Shim, shim_free)

fallible shim_signal(Shim *shim, int signal);
fallible shim_attach(Shim *shim, bool want_stdout, bool want_stderr);
/* Before shim_attach(), or before a client is handed over by shim_client() on this connection. To a shim whose status
 * has not SHIM_CAN_HOLD among its features it says nothing. */
fallible shim_hold(Shim *shim, bool want_stdout, bool want_stderr);
fallible shim_exec(Shim *shim, uint64_t exec, const char *process_file, int64_t timeout_ms);
/* A client's socket becomes the shim's; the caller closes its own descriptor. keys and early may be NULL when their
 * counts are 0. */
fallible shim_client(Shim *shim, const ShimClient *client, const void *keys, const void *early, int fd);
fallible shim_resize(Shim *shim, const ShimResize *size);
/* Where relayed sockets lead from now on; NULL: nowhere. What they lead to so far ends. A shim of an earlier version
 * goes on with the address that it was started with. */
fallible shim_relay(Shim *shim, const char *to);
fallible shim_forget(Shim *shim);
/* Hears what has been said already; handlers run inside this call. */
void shim_catch_up(Shim *shim);
/* For a handler: the end of the container is what comes next, and is there already. */
bool shim_says_end_next(const Shim *shim);
/* Back-pressure for attach: a paused Shim stops reading from its connection. */
void shim_pause(Shim *shim, bool paused);

/* Reads <state>/exit; *ret_found is false without one. A damaged file is an error. */
fallible shim_read_exit(ShimStatus *ret, bool *ret_found, const char *state);
