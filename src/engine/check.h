// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Does everything on the device belong to something? The store's own check (store/check.h), and beside it what the
 * engine answers for: containers against their shims, exit files and images; directories of the run directory, control
 * groups and mounts against containers. Behind `kedge system check`.
 */
#include "engine/engine.h"

typedef void CheckReport(void *arg, const char *problem);

/*
 * One call of report for a problem. With repair each is put right where that can be done; processes that are killed
 * take their time to go, so that a second pass, a moment later, may have to remove what they were in. What is removed
 * stood for nothing any more; an image that is not there is for its owner to pull.
 */
fallible engine_check(Engine *engine, bool repair, CheckReport *report, void *arg);

/* What takes a while, as it is programs of others that tell: networks that are CNI configurations. */
typedef struct CniCheck CniCheck;
/* done: once, from the loop; may free the check. */
fallible cni_check_begin(CniCheck **ret, Engine *engine, void (*done)(void *arg, const StringList *problems), void *arg);
CniCheck *cni_check_free(CniCheck *check); /* also leaving early; NULL is fine; returns NULL */
DEFINE_AUTOPTR(CniCheck, cni_check_free)
