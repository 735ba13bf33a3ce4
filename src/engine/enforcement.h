// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The policy that holds on a device, and what follows when it changes: containers that its allow-list does not have are
 * stopped and removed, running or not, and it is kept on record what was removed and why. Level-triggered (invariant
 * 4): each pass compares what is there with what is allowed, so that one that kedged died in goes on at the next start.
 */
#include "engine/audit.h"
#include "engine/engine.h"
#include "policy/policy.h"

enum { REMOVALS_KEPT = 500 };

/* Before engine_open(): it is in force before anything starts. NULL: everything is admitted. */
void engine_set_policy(Engine *engine, Policy *take_policy);
const Policy *engine_policy(const Engine *engine); /* NULL: none */
/* handler is called whenever a policy was set, from within: for who looks after containers that are not the engine's.
 * One such; NULL: nobody. */
void engine_on_policy(Engine *engine, LoopHandler *handler, void *arg);

/* A container that is not allowed. */
typedef struct Removal {
	char *engine;     /* another one on this device, that has it: "docker"; NULL: ours */
	char *engine_url; /* where it listens */
	char *id, *name, *image;
	StringList digests;
	char *state; /* before: "running" */
	char *reason;
	char *decided, *removed; /* RFC 3339; removed NULL: not yet */
	char *error;             /* of the last try to remove it; NULL: none */
} Removal;

extern const Field removal_fields[];
Removal *removals_add(FieldArray *removals); /* zeroed */
void removal_clear(Removal *removal);
DEFINE_AUTOCLEAR(Removal, removal_clear)
void removals_clear(FieldArray *removals);

/* What a pass by that policy would remove. */
fallible enforcement_dry_run(FieldArray *ret, Engine *engine, const Policy *policy);
/* What was removed, and what is about to be; in the order of the decisions, the last REMOVALS_KEPT. */
fallible enforcement_removed(FieldArray *ret, Engine *engine);

/* For who removes containers of another engine: puts one on record, or what became of it. What cannot be written is
 * logged. */
void removal_note(Engine *engine, const Removal *removal);
void removal_forget(Engine *engine, const char *id); /* it may stay */
void removals_tidy(Engine *engine);                  /* more than are kept go */
void removal_stamp(char **slot);                     /* the time, as `decided` and `removed` have it */
void engine_audit_note(Engine *engine, const AuditEntry *entry, bool is_durable);
/* What was decided last, oldest first: AuditEntry (engine/audit.h). */
fallible engine_audit(FieldArray *ret, const Engine *engine, size_t count);
