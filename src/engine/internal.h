// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the engine's own files share. Nobody outside this folder includes it. */
#include <sys/types.h>
#include <time.h>

#include "base/list.h"
#include "base/table.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/image.h"
#include "engine/job.h"
#include "runtime/cgroup.h"
#include "runtime/runtimes.h"
#include "runtime/seccomp.h"
#include "store/store.h"

/* A program in sealed memory (shim_seal_program()), and what it was a copy of. */
typedef struct SealedProgram {
	int fd; /* -1: none yet */
	dev_t device;
	ino_t inode;
	time_t modified;
} SealedProgram;

struct Engine {
	Loop *loop;
	EngineConfig config;
	Store *store;
	CgroupLayout *cgroups;
	Runtimes *runtimes;
	SeccompCache *seccomp;
	const char *apparmor;  /* profile of containers that name none; NULL: AppArmor is not there or cannot be had */
	struct Aside *profile; /* that is being loaded again */
	SealedProgram sealed_runtime, sealed_shim; /* the default runtime; kedge-shim */
	char id[65];
	char boot_id[37];

	Table *containers;    /* id -> Container */
	Table *names;         /* name -> Container */
	List container_order; /* oldest first */

	Table *execs;           /* id -> Exec */
	Source *exec_forgetter; /* what has ended is forgotten after a while */
	Table *volumes;         /* name -> Volume */
	List volume_order;
	List volumes_leaving; /* Volumes that were removed, and are still being unmounted */
	char *volumes_path;   /* <root>/volumes */

	List subscriptions; /* EventSubscription */
	size_t lookups;     /* questions to registries that wait for their answers */
	Event kept[EVENTS_KEPT];
	size_t kept_next, kept_count, kept_bytes;

	List jobs;
	Table *pulls;   /* full reference and platform -> Job */
	Source *sweep;  /* removes trash, in steps */
	bool closing;   /* nothing is begun any more */
	bool gives_way; /* jobs were cancelled for the next program's sake */
	bool collect;   /* something was removed: look for what nobody needs any more */
};

/* Trash is removed from a timer, a tree at a time. */
void engine_sweep_soon(Engine *engine);
fallible engine_collect_if_due(Engine *engine); /* what that would begin with, now */

/* ---- events ---- */
void event_deliver(Engine *engine, const Event *event);
/* Container events carry the container's labels beside their own attributes. */
void event_emit_labels(Engine *engine, const char *type, const char *action, const char *id, const StringMap *labels,
	const StringMap *extra);
void events_clear(Engine *engine);
