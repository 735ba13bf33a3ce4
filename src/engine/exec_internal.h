// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An exec as the engine's own files see it. */
#include "engine/container_internal.h"
#include "engine/exec.h"

enum { EXIT_EXEC_FAILED = 126 };

struct Exec {
	List link; /* in its container's */
	Engine *engine;
	Container *container; /* NULL: it was forgotten */
	int references;
	char id[65];
	char *directory;
	ExecSpec spec;
	ExecState state;
	int pid, exit_code;
	int64_t ended_ns; /* monotonic */
	bool on_disk;     /* its directory may be there */
	bool is_size_due; /* its terminal gets another size as soon as it is there */
	Shim *shim;
	List starts; /* Completion */

	bool is_followed, is_paused;
	Shim *follower; /* a connection of its own; NULL until there is a run to follow */
	AttachHandlers follow_handlers;
	void *follow_arg;
};

/* exec.c */
Exec *exec_new(Container *container, const char *id);
void exec_drop(Exec *exec); /* nobody finds it any more */
void exec_event(Exec *exec, const char *action, const char *key, const char *value);
void execs_forget_later(Engine *engine); /* something has ended */

void exec_drop_files(Exec *exec); /* the next kedged finds nothing of it */

/* exec_run.c */
extern const ShimHandlers exec_shim_handlers;
void exec_follow_end(Exec *exec);

/* exec_process.c */
extern const char exec_process_name[], exec_plan_name[];
/* What its shim reads: steps of its own where the container was started by such, else the runtime's process file. */
fallible exec_process_write(bool *ret_is_planned, const Exec *exec);
