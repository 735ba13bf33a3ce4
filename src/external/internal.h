// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the files of this folder share. engine.c keeps the connection and passes through the list, container.c looks at
 * one container, judge.c says what the policy makes of one, enforce.c stops and removes it, action.c does what clients
 * ask for.
 */
#include "base/list.h"
#include "base/table.h"
#include "external/call.h"
#include "external/engine.h"

#define ANSWER_NS (10 * NANOS_PER_SECOND) /* for an answer that needs no waiting */

enum { DOCUMENT_MAX = 4 << 20, LIST_MAX = 256 << 20, WORDS_BODY_MAX = 64 << 10 };

typedef struct LookQueue {
	List waiting; /* ExternalContainer */
	size_t under_way;
} LookQueue;

typedef struct ExternalContainer {
	ExternalEngine *external;
	List in_external;
	List in_queue; /* where it is to be looked at */
	ExternalListed listed;
	ExternalFacts facts; /* id NULL: not looked at yet */
	ExternalCall *look;
	ExternalFacts found; /* by that look, so far */
	bool is_to_be_looked_at_again;
	bool is_listed;               /* in the list that came last, or heard of since */
	char *unknown_why;            /* it was answered for, and cannot be judged by that; NULL: it can */
	int refusals, image_refusals; /* in a row, of its document, and of its image's */
	int silences;                 /* looks in a row that had no answer */

	/* enforce.c */
	bool is_put_off;                /* until its network's owner was looked at */
	bool was_allowed, was_admitted; /* by the verdict before; the latter is in the audit log */
	char *warned;                   /* the warnings that were told last */
	ExternalCall *removal;          /* or a stop */
	bool is_stop_told;              /* that it is stopped by a rule, since it was not done yet */
	Source *again;
	int64_t again_ns;
} ExternalContainer;

struct ExternalEngine {
	Engine *engine;
	const ServiceFile *service;
	Loop *loop;
	StringList own_sockets;

	char *url;
	ExternalAddress address;
	ExternalState state;
	char *problem, *kind, *version;
	ExternalCall *greeting; /* what it is */
	ExternalCall *events;
	ExternalLines lines;
	ExternalCall *list;
	ExternalItems items;
	size_t list_bytes, listed, unread; /* so far: of the list, of its items, and of those that have no Id */
	bool is_list_whole;                /* every container in it is looked at, not only what is new */
	bool wants_list, wants_whole;      /* one more, when this one is through */
	bool has_passed;                   /* once, since it was connected */
	bool has_gap;                      /* something of the events was lost: a pass comes soon */
	Source *again, *regular, *soon;    /* connects; passes, every so often; passes a moment later */
	int64_t backoff_ns;

	Table *by_id;
	List containers;          /* ExternalContainer */
	LookQueue looks, retries; /* the latter: at those that gave no answer the last time; nobody waits for them */
	List waits;
	Table *pending; /* id -> Removal: decided and not gone yet */
	bool has_changed;
	Source *tell;
};

/* engine.c */
void external_lost(ExternalEngine *external, Error *take_error); /* its connection: begins anew, a moment later */
void external_changed(ExternalEngine *external);                 /* something that is shown */
void external_pass(ExternalEngine *external, bool is_whole);     /* through the list */
void external_look_over(ExternalEngine *external);               /* one look is over: the next ones begin */

/* container.c */
ExternalContainer *external_container_get(ExternalEngine *external, const char *id); /* made where there is none */
void external_container_forget(ExternalContainer *container);
void external_container_look(ExternalContainer *container); /* queued */
void external_container_look_in(ExternalContainer *container, int64_t delay_ns);
void external_container_begin_look(ExternalContainer *container); /* now */
/* Nothing is known of it yet, and may be soon. */
bool external_container_may_answer(const ExternalContainer *container);

/* judge.c */
void external_judge(Verdict *ret, const ExternalEngine *external, const ExternalFacts *facts, const Policy *policy);
/* Whose network it has, and nothing is known of that one; NULL: it is known. Lent. */
const char *external_unknown_owner(const ExternalContainer *container);
void external_judge_container(Verdict *ret, const ExternalContainer *container, const Policy *policy);

/* enforce.c */
void external_enforce(ExternalContainer *container); /* it was looked at */
void external_enforce_put_off(ExternalEngine *external);
void external_gone(ExternalEngine *external, const char *id);
void external_recall(ExternalEngine *external);       /* what was decided before, when kedged starts */
void external_note_pending(ExternalEngine *external); /* what is to be removed is there, in the list or not */
void external_stay(ExternalEngine *external);         /* what was not removed yet from another engine than this stays */
const char *external_kind(const ExternalEngine *external); /* as what was done with it is on record */
void external_leave(ExternalContainer *container);

/* action.c */
void external_wait_call(ExternalEngine *external); /* all of them */
