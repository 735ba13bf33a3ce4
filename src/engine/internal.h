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
	ContainerHolds *holds; /* NULL: nothing is held */
	void *holds_arg;

	Table *execs;           /* id -> Exec */
	Source *exec_forgetter; /* what has ended is forgotten after a while */
	Table *volumes;         /* name -> Volume */
	List volume_order;
	List volumes_leaving; /* Volumes that were removed, and are still being unmounted */
	char *volumes_path;   /* <root>/volumes */

	Table *networks; /* id -> Network */
	List network_order;
	struct Netlink *links; /* NULL: nothing was needed of it yet */
	struct Reaper *reaper; /* the same */
	struct Rules *rules;   /* the same */
	bool knows_all;        /* all containers are restored: what the packet filter has beside theirs is nobody's */
	struct NetworkWatch *network_watch;
	struct CniEngine *cni; /* NULL: nobody has asked for networks yet */
	struct Companion *logs; /* kedge-log; NULL: as below */
	struct Dns *dns; /* NULL: the containers are not restored yet */
	List cni_works;        /* CniWorks: also those of containers that are gone */
	bool filters_bridges;  /* bridge-nf-call-* is on: packets within a bridge pass the packet filter, too */

	struct Policy *policy; /* NULL: everything is admitted */
	struct Audit *audit;
	struct Enforcement *enforcement;

	List subscriptions; /* EventSubscription */
	size_t lookups;     /* questions to registries that wait for their answers */
	EngineCounters counters;
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
