// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whatever takes longer than a disk write is a Job: it has progress, can be cancelled, and has subscribers. When the
 * last subscriber leaves, the job is cancelled. A job frees itself after its end was delivered; it never ends inside
 * the call that made it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/engine.h"

typedef struct Job Job;
typedef struct JobSubscription JobSubscription;

typedef enum JobPhase {
	JOB_RESOLVING,   /* whole job; text: the reference's name */
	JOB_NAME,        /* item "" ; text to show: "Pulling from library/busybox" is made of it */
	JOB_WAITING,     /* an item was found and waits */
	JOB_DOWNLOADING, /* current of total bytes */
	JOB_VERIFYING,
	JOB_DOWNLOADED,
	JOB_UNPACKING, /* current of total bytes (compressed) */
	JOB_COMPLETE,  /* item done */
	JOB_EXISTS,    /* item is here (or there, for a push) already */
	JOB_PREPARING, /* push: item */
	JOB_UPLOADING,
	JOB_UPLOADED,
	JOB_MOUNTED,  /* push: there since now, out of another repository; text: which */
	JOB_RETRYING, /* text: the reason; current: seconds */
	JOB_NOTE,     /* whole job; text: something to know */
	JOB_DIGEST,   /* text: "sha256:..." of the result; total: its size */
	JOB_RESULT,   /* text: last line to show ("Downloaded newer image for x") ; item: reference or id */
	JOB_PHASES
} JobPhase;

typedef struct JobProgress {
	JobPhase phase;
	const char *item; /* layer's short digest, or "" */
	const char *text; /* or NULL */
	int64_t current, total;
} JobProgress;

typedef struct JobHandlers {
	void (*progress)(void *arg, const JobProgress *progress);
	void (*ended)(void *arg,
		const Error *error); /* NULL: success. Always the last call; the subscription is gone after it */
} JobHandlers;

JobSubscription *job_subscribe(Job *job, const JobHandlers *handlers, void *arg);
void job_unsubscribe(JobSubscription *subscription); /* leaving early */
void job_cancel(Job *job);
/* Cancels all: the next program takes this one's place, and who waits is told so. */
void jobs_give_way(Engine *engine);

/* ---- for those who implement jobs ---- */
typedef struct JobImplementation {
	void (*cancel)(void *arg); /* stop work and call job_end() with ERROR_CANCELLED, now or later */
	void (*free)(void *arg);   /* after job_end(), deferred */
} JobImplementation;

Job *job_new(Engine *engine, const JobImplementation *implementation, void *arg);
void job_progress(Job *job, const JobProgress *progress); /* the latest per item is replayed to late subscribers */
void job_end(Job *job, Error *take_error);
