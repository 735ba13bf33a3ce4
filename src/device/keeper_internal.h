// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the keeper's own files share. */
#include "base/list.h"
#include "base/table.h"
#include "device/keeper.h"
#include "engine/event.h"
#include "engine/image.h"

#define KEPT_NEVER INT64_MAX /* time alone changes nothing */

/* What was tried, and why it failed; forgotten when something else is declared, or it works. */
typedef struct KeptTrouble {
	char *create, *start, *start_old, *other;
	int64_t delay_ns, not_before_ns; /* of the next try; on the monotonic clock; KEPT_NEVER */
} KeptTrouble;

typedef struct KeptPull {
	JobSubscription *job;
	Source *timer; /* until it is given up, or until the next try */
	int64_t tries;
	bool is_over, is_due;
	char *failure;
} KeptPull;

typedef struct Kept {
	List link;
	Keeper *keeper;
	char *name;
	char etag[ETAG_MAX]; /* of what it is about; "": nothing is declared */
	bool is_dirty, is_being_looked_at;
	bool has_limits_as_can_be; /* what still differs, this machine does not have */
	char *circle;              /* its dependencies go in one */

	bool is_busy; /* with this step */
	KeepStep doing;
	bool counts; /* among the starts that are under way */
	struct Call *call;

	KeptTrouble trouble;
	KeptPull pull;
	StringList notes;
	Decision decision;
} Kept;

struct Keeper {
	Engine *engine;
	KeeperOptions options;
	struct KeptNotes *noted;
	bool is_on, is_started, is_stopped;
	Table *items;
	List order;
	Source *pass, *alarm;
	bool pass_is_due;
	EventSubscription *events;
	size_t starting;
};

void kept_dirty(Kept *kept);
const DeclaredFile *kept_file(const Kept *kept);           /* NULL: nothing is declared */
const Declaration *kept_declaration(const Kept *kept);     /* the same */
Kept *keeper_find(const Keeper *keeper, const char *name); /* NULL */
void kept_say(const Kept *kept, const char *text);         /* to the log */

/* ---- keeper_situation.c ---- */
/* It was made for that declaration, or taken over by it. */
bool keeper_knows(const Keeper *keeper, const char *name, const ContainerView *view);
Container *kept_container(const Kept *kept, const char *suffix); /* lent; NULL */
void kept_situation(Situation *ret, Kept *kept, char **ret_waits_for);
char *kept_variant(const Kept *kept); /* digest of what is declared, and of the image it means now */
char *kept_base_name(const char *container_name, const StringMap *labels); /* NULL: it is none of ours */

/* ---- keeper_steps.c ---- */
void kept_do(Kept *kept);
bool kept_is_refused(const Kept *kept); /* it may not be made, until something changes */
void kept_call_forget(Kept *kept);      /* whoever answers a step finds nobody */

/* ---- keeper_pull.c ---- */
void kept_pull(Kept *kept);
void kept_pull_forget(Kept *kept); /* whatever it does */
void kept_trouble_forget(Kept *kept);

/* ---- keeper_order.c ---- */
char *order_waits_for(const Kept *kept); /* owned words; NULL: nothing is missing */
void order_find_circles(Keeper *keeper);
