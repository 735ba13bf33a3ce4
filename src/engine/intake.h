// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An archive that comes in and is unpacked as it comes: work of one jailed kedge-unpack process, fed through a pipe, so
 * that memory is bounded. Whoever has an Intake gives it data; what the archive is for, and what becomes of it, is its
 * owner's: an object of the engine that the Intake frees. Freeing an Intake that has not ended breaks it off.
 */
#include "engine/engine.h"
#include "fetch/unpack_client.h"

typedef struct Intake Intake;

typedef struct IntakeHandlers {
	void (*drained)(void *arg);                  /* more data is welcome again */
	void (*ended)(void *arg, Error *take_error); /* once, from the loop; may free the intake */
} IntakeHandlers;

/* False: no more, please, until drained. */
bool intake_data(Intake *intake, const void *data, size_t length);
void intake_finish(Intake *intake); /* that was all */
Intake *intake_free(Intake *intake);
DEFINE_AUTOPTR(Intake, intake_free)

/* ---- for its owner ---- */

typedef struct IntakeOwner {
	/* Once: an error, ERROR_CANCELLED when it was broken off, or NULL: all of it is there. What it gives is told.
	 */
	Error *(*end)(void *owner, Error *take_error);
	void (*free)(void *owner); /* from the loop, when nothing runs in it any more */
} IntakeOwner;

/* Data waits until it has begun. */
Intake *intake_new(Engine *engine, const IntakeHandlers *handlers, void *arg);
void intake_own(Intake *intake, const IntakeOwner *owner, void *object);
/* sync: it has ended when all of it is on the disk. */
fallible intake_begin(Intake *intake, int directory, const UnpackCopy *copy, bool sync);
void intake_end(Intake *intake, Error *take_error); /* the intake may be gone afterwards */
int64_t intake_moved_ns(const Intake *intake);      /* when data came last, or it was made */
