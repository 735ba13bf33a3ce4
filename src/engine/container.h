// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Containers: one state table, one record each. Calls that wait (start, stop, ...) take a completion handler, which
 * runs from the loop, never from inside the call; an error returned by the call itself means that the handler will not
 * run. Docker's 304 ("already so") is *ret_already. A Container pointer is valid until the engine removes it: callers
 * that wait hold a container_ref().
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/keys.h"
#include "engine/engine.h"
#include "oci/digest.h"
#include "runtime/spec.h"
#include "shim/client.h"
#include "shim/logplace.h"

typedef struct Container Container;

typedef enum ContainerState {
	CONTAINER_CREATED,
	CONTAINER_STARTING, /* the shim is at work */
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,     /* its processes are frozen */
	CONTAINER_STOPPING,   /* the stop signal was sent */
	CONTAINER_RESTARTING, /* ended; its restart policy waits */
	CONTAINER_EXITED,
	CONTAINER_REMOVING,
	CONTAINER_DEAD, /* could not be removed whole, or its shim was lost */
	CONTAINER_STATES
} ContainerState;

typedef enum HealthState { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_STATES } HealthState;

enum { HEALTH_LOG_KEPT = 5 };

typedef struct HealthProbe {
	int64_t start_wall_ns, end_wall_ns;
	int64_t exit_code;
	char *output;
} HealthProbe;

/* What inspect shows; read-only for callers. Times are wall clock, 0: never. */
typedef struct ContainerView {
	const char *id;            /* 64 hex */
	const char *name;          /* without slash */
	const ContainerSpec *spec; /* merged with the image's defaults */
	const char *image_id;      /* "sha256:..." */
	ContainerState state;
	int pid; /* 0 when not running */
	int exit_code;
	bool oom_killed;
	const char *error;       /* "" */
	bool stopped_by_user;    /* its last end: restart policies leave it alone */
	const char *stopped_for; /* why, where that was no person's wish: "its health check fails"; NULL */
	bool was_set_aside;      /* that was container_set_aside() */
	bool ran_in_this_boot;   /* its last run began in it */
	int64_t created_ns, started_ns, finished_ns;
	int64_t up_ns; /* how long it has run, whatever the wall clock did meanwhile; 0 when it does not */
	int64_t restart_count;
	HealthState health;
	int64_t health_streak;         /* failing */
	const HealthProbe *health_log; /* oldest first */
	size_t health_log_count;
	const char *log_path;
	const char *state_directory, *gather_directory; /* for engine/logs.h */
	const char *default_runtime;                    /* of one that names none */
	const char *etc_directory; /* of the managed hosts, hostname, resolv.conf; its network owner's */
	const char *bundle;        /* there while it runs */
	const char *volumes;       /* <it>/NAME/_data is a volume */
	const char *cgroup;
} ContainerView;

const char *container_state_name(
	ContainerState state); /* Docker's words: "created", "running" (also starting, stopping), "restarting", ... */
const char *health_state_name(HealthState state); /* "none", "starting", ... */

typedef void ContainerDone(void *arg, Error *take_error);

/* spec is copied; name NULL: one is made up. warnings: what the caller should know (private network instead of bridge).
 * Durable on return. */
fallible container_create(
	Container **ret, Engine *engine, const char *name, const ContainerSpec *spec, StringList *ret_warnings);
/* What a new container's image has in the place of an empty volume is copied into it, as a part of its creation: in a
 * child, for as long as that takes. A start does it as well. */
void container_fill_volumes(Container *container, ContainerDone *done, void *arg);
/* There is something to be done by it: done is called later. */
bool container_has_volumes_to_fill(const Container *container);
/* By name, id or unique id prefix. ERROR_NOT_FOUND `No such container: x`; ERROR_CONFLICT when ambiguous. */
fallible container_find(Container **ret, Engine *engine, const char *name);
/* All, newest first; the array is the caller's (free), the containers are borrowed until the next call into the engine.
 */
size_t container_list(Container ***ret, Engine *engine);
/* Before engine_open(): which containers somebody else starts after a boot, when their time has come. They are left
 * ended, whatever their restart policies say. */
typedef bool ContainerHolds(void *arg, const Container *container);
void containers_hold(Engine *engine, ContainerHolds *holds, void *arg);
void container_view(const Container *container, ContainerView *ret);
const char *container_apparmor(const Container *container); /* the profile it runs under; "": none */
bool container_is_live(const Container *container);         /* starting, running, paused, stopping */
typedef struct ContainerForwarding {
	LogForwarded place; /* all zeros: nothing was sent yet */
	bool is_sent;       /* everything that is there now */
} ContainerForwarding;
/* How far its log was sent. False: its log driver sends nothing. */
bool container_forwarding(const Container *container, ContainerForwarding *ret);
Container *container_ref(Container *container);
Container *container_unref(Container *container);
DEFINE_AUTOPTR(Container, container_unref)

fallible container_start(Container *container, bool *ret_already, ContainerDone *done, void *arg);
/* How long until KILL follows: negative: for ever. signal 0: the container's stop signal. Both go on after a restart of
 * kedged. */
#define STOP_TIMEOUT_OWN INT64_MIN /* what the container's configuration says */
fallible container_stop(
	Container *container, int64_t timeout_s, int signal, bool *ret_already, ContainerDone *done, void *arg);
/* By nobody's wish: why is told of it, as "its health check fails". */
fallible container_stop_for(
	Container *container, const char *why, int64_t timeout_s, bool *ret_already, ContainerDone *done, void *arg);
/* Stopped as its configuration says, to make way: by whoever keeps it, and nobody's wish that it stays down. */
fallible container_set_aside(Container *container, bool *ret_already, ContainerDone *done, void *arg);
fallible container_restart(Container *container, int64_t timeout_s, int signal, ContainerDone *done, void *arg);
fallible container_kill(Container *container, int signal); /* at once; ERROR_CONFLICT when not running */
fallible container_remove(Container *container, bool force, bool volumes, ContainerDone *done, void *arg);
/* Answered when every process stands still. A stop, a kill that ends it and a removal thaw it again. */
fallible container_pause(Container *container, ContainerDone *done, void *arg);
fallible container_unpause(Container *container);
fallible container_rename(Container *container, const char *name); /* durable on return */

/* New limits and a new restart policy; what is 0 or NULL in `limits` stays. */
typedef struct ContainerUpdate {
	ContainerSpec limits; /* memory to blkio_weight, but for pids_limit: numbers and sets */
	bool has_pids_limit;
	bool has_restart_policy; /* limits.restart_policy and .restart_max */
} ContainerUpdate;
typedef void ContainerUpdateDone(void *arg, Error *take_error, const StringList *warnings);
/* For one that runs as well, and durable when done; all of it or, where the kernel refuses, nothing. */
fallible container_update(Container *container, const ContainerUpdate *update, ContainerUpdateDone *done, void *arg);

typedef enum WaitCondition { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED } WaitCondition;
typedef struct ContainerWait ContainerWait;
typedef void ContainerWaitDone(void *arg, int exit_code); /* the wait is gone after it */
ContainerWait *container_wait(Container *container, WaitCondition condition, ContainerWaitDone *done, void *arg);
void container_wait_cancel(ContainerWait *wait);

/* A connection to the container's output from now on (invariant: raw bytes, with back-pressure). Works before start
 * too: output begins then. */
typedef struct ContainerAttach ContainerAttach;
typedef struct AttachHandlers {
	void (*output)(void *arg, int stream, const char *data, size_t length);
	/* Of container_attach_held(): the streams stand still, and what of them is no part of the log yet was output.
	 */
	void (*held)(void *arg);
	void (*ended)(void *arg); /* the container ended and all output was delivered, or it is not running; the attach
				     is gone after it */
} AttachHandlers;
fallible container_attach(ContainerAttach **ret, Container *container, bool want_stdout, bool want_stderr,
	const AttachHandlers *handlers, void *arg);
/* For who has read the log up to its end: holds what is written, until container_attach_go_on() or
 * container_hand_over_held(), so that nothing is missed between the log and the output, and nothing told twice. *ret is
 * NULL, and untouched, where nothing runs. A container is not held for longer than ten seconds: then ended() comes. */
fallible container_attach_held(ContainerAttach **ret, Container *container, bool want_stdout, bool want_stderr,
	const AttachHandlers *handlers, void *arg);
fallible container_attach_go_on(ContainerAttach *attach);
/* For the next program, which goes on where this one stops to read: lent; -1: there is nothing to read from yet. */
int container_attach_descriptor(const ContainerAttach *attach);
fallible container_attach_again(
	ContainerAttach **ret, Container *container, int fd, const AttachHandlers *handlers, void *arg); /* fd: taken */
void container_attach_pause(ContainerAttach *attach, bool paused);
void container_attach_end(ContainerAttach *attach);

/* A client whose socket becomes the container's own: what is said from then on, this process neither sees nor
 * interrupts by its end. Before a start the socket waits here, until the start, the removal, or until the client
 * leaves. */
typedef struct ContainerClient {
	bool wants_stdin, wants_stdout, wants_stderr;
	bool is_raw;             /* no frames around its output, terminal or not */
	const Keys *detach_keys; /* by which it leaves a container that has a terminal */
	const char *early;       /* input that it has sent already; may be NULL */
	size_t early_length;
} ContainerClient;
fallible container_hand_over(Container *container, const ContainerClient *client, int fd);              /* fd: taken */
fallible container_hand_over_held(ContainerAttach *take_attach, const ContainerClient *client, int fd); /* fd: taken */
/* Those that wait for a start, for the next program; there they are handed over again. The descriptors are lent. */
void container_clients_each(Engine *engine,
	void (*visit)(void *arg, const char *container_id, const ContainerClient *client, int fd), void *arg);
fallible container_hand_over_again(Container *container, const ContainerClient *client, int fd); /* fd: taken */

/* The size of its terminal, in characters. */
fallible container_resize(Container *container, int rows, int columns);
