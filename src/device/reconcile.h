// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is to be done next for one declared container: a pure function of what is declared and what is there (invariant
 * 4). It is asked again after every step, event and restart; no step depends on a memory of the one before.
 *
 * A replacement goes by names. Beside the container NAME there may be NAME.kedge-next, which was made from what is
 * declared now and has never run, and NAME.kedge-old, which ran before and waits until the new one has proven itself:
 *
 *     make next; rename current to old; rename next to current; stop old; start current; probation; remove old
 *     taken back: note why; remove current; start old; rename old to current
 *
 * Whatever stands there after a crash says which step comes next.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "device/declaration.h"
#include "engine/container.h"

#define KEPT_OLD_SUFFIX ".kedge-old"
#define KEPT_NEXT_SUFFIX ".kedge-next"

typedef enum KeptState {
	KEPT_ABSENT,
	KEPT_CREATED,
	KEPT_BUSY, /* it is starting, stopping, or being removed: its end is an event */
	KEPT_RUNNING,
	KEPT_PAUSED,
	KEPT_RESTARTING,
	KEPT_ENDED,
	KEPT_DEAD,
	KEPT_STATES
} KeptState;

typedef struct KeptContainer {
	KeptState state;
	bool matches;            /* what is declared gives this container, but for what can be changed in place */
	bool limits_differ;      /* that */
	bool is_stranger;        /* nobody has made it for the declaration, nor taken it for that */
	bool stopped_by_user;    /* its last end */
	const char *stopped_for; /* why, where that was no person's wish; NULL */
	bool was_set_aside;      /* by the keeper: it was to go, or to be replaced */
	bool ran_in_this_boot;   /* its last run began in it */
	int exit_code;
	int restart_policy; /* RestartPolicy */
	int64_t restarts;
	HealthState health;
	int64_t up_ns;
	const char *failure; /* its start was tried, and failed: why; NULL */
} KeptContainer;

typedef struct Situation {
	bool is_wanted;            /* declared, enabled, and the service is on */
	const char *refused;       /* why what is declared cannot be had at all; NULL */
	const char *taken_back;    /* what is declared was tried, and did not come up: why; NULL */
	const char *waits_for;     /* a dependency in words: `"db", which is not healthy yet`; NULL: none */
	const char *cannot_create; /* the last try's reason; NULL */
	KeptContainer current, old, next;

	bool has_image;
	PullWhen pull;
	bool pull_is_due;         /* PULL_ALWAYS: the registry was not asked since the declaration came */
	bool pull_is_over;        /* no more tries */
	const char *pull_failure; /* the last one's; NULL */
	int64_t probation_ns;
} Situation;

typedef enum KeepStep {
	KEEP_NOTHING,
	KEEP_PULL,
	KEEP_ADOPT,
	KEEP_CREATE,
	KEEP_CREATE_NEXT,
	KEEP_RENAME_TO_OLD,
	KEEP_RENAME_NEXT,
	KEEP_STOP_OLD,
	KEEP_START,
	KEEP_UPDATE,
	KEEP_TAKE_BACK, /* note why; the rest follows from that */
	KEEP_START_OLD,
	KEEP_RENAME_BACK,
	KEEP_REMOVE_CURRENT,
	KEEP_REMOVE_OLD,
	KEEP_REMOVE_NEXT,
	KEEP_STEPS
} KeepStep;
extern const char *const keep_step_names[KEEP_STEPS];

typedef struct Decision {
	KeepStep step;
	bool is_as_declared;
	bool is_given_up;     /* it stays so until somebody changes something */
	int64_t ask_again_ns; /* when time alone changes the answer; 0: never */
	char reason[512];     /* one sentence without its full stop, why it is not as declared; "" */
} Decision;

Decision reconcile(const Situation *situation);
