// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A configuration list carried out: its plugins one after another, each a program that the loop does not wait for. What
 * has begun is on record before it begins (cni/record.h), so that a later DEL undoes a half-done ADD, also after a
 * crash. An interface has one run at a time: that is the caller's to see to.
 */
#include "base/loop.h"
#include "cni/record.h"
#include "cni/result.h"

typedef struct CniPlace {
	Loop *loop;
	const char *records;           /* directory; made when it is first needed */
	const StringList *directories; /* of the plugins' programs */
	int64_t timeout_ns;            /* for each plugin */
} CniPlace;

typedef struct CniRun CniRun;

/* Once, from the loop. result is of cni_add() alone, and lent. May free the run. */
typedef void CniDone(void *arg, Error *take_error, const CniResult *result);

/* In all of them the place is copied and what it points at lent. namespace_fd: the container's network namespace,
 * borrowed; -1: it is gone. ADD in the list's order. What an earlier run has left of this
 * interface is undone first; what fails is undone by DEL, best effort, and told as the plugin said it. An address or a
 * MAC that was asked for and not given is a failure. */
fallible cni_add(CniRun **ret, const CniPlace *place, const CniNetwork *network, const CniAttachment *attachment,
	int namespace_fd, CniDone *done, void *arg);
/* CHECK by the record, with the configuration of then. A list that has none is fine. */
fallible cni_check(CniRun **ret, const CniPlace *place, const char *container, const char *interface, int namespace_fd,
	CniDone *done, void *arg);
/* DEL by the record in reverse order, with the configuration of then: goes on where a plugin fails, and tells the first
 * failure; the record stays then. Without a record there is nothing to do. */
fallible cni_del(CniRun **ret, const CniPlace *place, const char *container, const char *interface, int namespace_fd,
	CniDone *done, void *arg);
/* VERSION of each plugin: that it is there and speaks the list's version. */
fallible cni_verify(CniRun **ret, const CniPlace *place, const CniNetwork *network, CniDone *done, void *arg);
/* Kills the plugin that is at work; what it did is the next DEL's. NULL is fine; returns NULL. */
CniRun *cni_run_free(CniRun *run);
DEFINE_AUTOPTR(CniRun, cni_run_free)
