// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Another engine on this device (Docker, podman), at the service's `engine.url`: what it runs is known here, may be
 * started, stopped and deleted, and is held to the same policy as kedge's own containers.
 *
 * Level-triggered (invariant 4): an event only says which container to look at again. All of them are looked at after
 * each connection, whenever events may have been lost, when the policy has changed, and every so often. What the
 * allow-list denies is stopped and removed, again and again until it is gone; what a rule alone denies is stopped
 * whenever it is alive, and deleted by nobody. The former is on record as kedge's own containers are
 * (engine/enforcement.h), with the engine's kind; both are in the audit log.
 */
#include "device/service_file.h"
#include "engine/enforcement.h"
#include "external/documents.h"

enum { EXTERNAL_CONTAINERS_MAX = 4096 }; /* that are looked after; more of them are told as a problem */

typedef struct ExternalEngine ExternalEngine;

typedef enum ExternalState { EXTERNAL_NONE, EXTERNAL_CONNECTING, EXTERNAL_CONNECTED, EXTERNAL_STATES } ExternalState;

extern const char *const external_state_names[EXTERNAL_STATES]; /* "none", "connecting", "connected" */

/* own_sockets: paths that kedged itself listens at. */
ExternalEngine *external_engine_new(Engine *engine, const ServiceFile *service, const StringList *own_sockets);
/* After engine_open(): from now on it follows the service's options by itself. */
fallible external_engine_start(ExternalEngine *external);
/* Its waits and actions are freed before. */
ExternalEngine *external_engine_free(ExternalEngine *external);
DEFINE_AUTOPTR(ExternalEngine, external_engine_free)

/* Before it is written anywhere: ERROR_INVALID names the field and what is wrong with it. NULL and "" are none. */
fallible external_engine_check_url(const ExternalEngine *external, const char *url);

typedef struct ExternalStatus {
	const char *url; /* NULL: none is wanted */
	ExternalState state;
	const char *problem;        /* why it is not as it should be; NULL: it is */
	const char *kind, *version; /* "docker", "podman"; NULL: not known (yet) */
} ExternalStatus;

void external_engine_status(ExternalStatus *ret, const ExternalEngine *external); /* lent, until the loop's next turn */

/* ---- its containers ---- */
typedef struct ExternalView {
	const ExternalListed *listed;
	const ExternalFacts *facts; /* of one that was not looked at yet, all is NULL */
	bool is_allowed;
	char *reason; /* why it is not; NULL: it is */
} ExternalView;

/* For each that is there, as the policy in force has it. */
void external_engine_each(
	const ExternalEngine *external, void (*visit)(void *arg, const ExternalView *view), void *arg);
/* Those that a policy would remove, and those that it would stop and leave there, are added. */
void external_engine_dry_run(
	FieldArray *removals, FieldArray *stops, const ExternalEngine *external, const Policy *policy);

/* Asks for the list once more. handler is called when it is there and all that is new in it was looked at, or when that
 * takes too long or cannot be; once. */
typedef struct ExternalWait ExternalWait;
ExternalWait *external_wait_new(ExternalEngine *external, LoopHandler *handler, void *arg);
ExternalWait *external_wait_free(ExternalWait *wait);

/* ---- what is done with them ---- */
typedef enum ExternalVerb { EXTERNAL_START, EXTERNAL_STOP, EXTERNAL_RESTART, EXTERNAL_DELETE } ExternalVerb;

/* done is called once. status: the engine's (204, 304, from 400 on with its words); an error: it was not asked, or did
 * not answer, or the policy refuses (ERROR_FORBIDDEN). Freeing it leaves open whether it was done. */
typedef void ExternalDone(void *arg, Error *take_error, int status, const char *words);
typedef struct ExternalAction ExternalAction;
/* name: of the container, or its id. is_forced: EXTERNAL_DELETE alone. */
ExternalAction *external_action_new(
	ExternalEngine *external, ExternalVerb verb, const char *name, bool is_forced, ExternalDone *done, void *arg);
ExternalAction *external_action_free(ExternalAction *action);
