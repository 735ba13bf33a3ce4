// SPDX-License-Identifier: Apache-2.0
#include "engine/job.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/strings.h"
#include "engine/internal.h"

/* Late subscribers get the latest line of each item: as many as an image may have layers, and a few for the job itself.
 */
enum { JOB_REMEMBERED_MAX = 1024 };

typedef struct JobLine {
	JobPhase phase;
	char *item, *text;
	int64_t current, total;
} JobLine;

struct JobSubscription {
	List link;
	Job *job;
	JobHandlers handlers;
	void *arg;
};

struct Job {
	List link;
	Engine *engine;
	JobImplementation implementation;
	void *arg;
	List subscriptions;
	JobLine *lines;
	size_t line_count;
	bool ended;
};

Job *job_new(Engine *engine, const JobImplementation *implementation, void *arg)
{
	Job *job = mem_new(Job);

	job->engine = engine;
	job->implementation = *implementation;
	job->arg = arg;
	list_init(&job->subscriptions);
	list_append(&engine->jobs, &job->link);
	return job;
}

static void job_line_deliver(const JobLine *line, const JobSubscription *subscription)
{
	JobProgress progress = {
		.phase = line->phase,
		.item = line->item,
		.text = line->text,
		.current = line->current,
		.total = line->total,
	};

	if (subscription->handlers.progress)
		subscription->handlers.progress(subscription->arg, &progress);
}

JobSubscription *job_subscribe(Job *job, const JobHandlers *handlers, void *arg)
{
	JobSubscription *subscription = mem_new(JobSubscription);

	subscription->job = job;
	subscription->handlers = *handlers;
	subscription->arg = arg;
	list_append(&job->subscriptions, &subscription->link);
	for (size_t i = 0; i < job->line_count; i++)
		job_line_deliver(&job->lines[i], subscription);
	return subscription;
}

void job_unsubscribe(JobSubscription *subscription)
{
	Job *job;

	if (!subscription)
		return;
	job = subscription->job;
	list_remove(&subscription->link);
	free(subscription);
	if (list_empty(&job->subscriptions))
		job_cancel(job);
}

void job_cancel(Job *job)
{
	if (!job->ended)
		job->implementation.cancel(job->arg);
}

/* Items keep one line, the latest; lines of the job itself (no item) are all kept, in order. */
static JobLine *job_line_slot(Job *job, const JobProgress *progress)
{
	if (progress->item && *progress->item && progress->phase != JOB_RESULT) {
		for (size_t i = 0; i < job->line_count; i++) {
			if (job->lines[i].phase != JOB_RESULT && string_equal(job->lines[i].item, progress->item))
				return &job->lines[i];
		}
	}
	if (job->line_count == JOB_REMEMBERED_MAX)
		return NULL;
	job->lines = mem_array(job->lines, job->line_count + 1, sizeof(JobLine));
	job->lines[job->line_count] = (JobLine){.phase = progress->phase};
	return &job->lines[job->line_count++];
}

static void job_remember(Job *job, const JobProgress *progress)
{
	JobLine *line = job_line_slot(job, progress);

	if (!line)
		return;
	line->phase = progress->phase;
	string_replace(&line->item, progress->item ? progress->item : "");
	string_replace(&line->text, progress->text);
	line->current = progress->current;
	line->total = progress->total;
}

void job_progress(Job *job, const JobProgress *progress)
{
	if (job->ended)
		return;
	job_remember(job, progress);
	list_each(&job->subscriptions, JobSubscription, link, subscription) {
		if (subscription->handlers.progress)
			subscription->handlers.progress(subscription->arg, progress);
	}
}

static void job_free(void *arg)
{
	Job *job = arg;

	list_remove(&job->link);
	job->implementation.free(job->arg);
	for (size_t i = 0; i < job->line_count; i++) {
		free(job->lines[i].item);
		free(job->lines[i].text);
	}
	free(job->lines);
	free(job);
}

static Error *why_cancelled(const Job *job, Error *take_error)
{
	if (!job->engine->gives_way || !take_error || error_kind(take_error) != ERROR_CANCELLED)
		return take_error;
	error_free(take_error); /* that it was cancelled follows from the reason */
	return error_hint(
		error_new(ERROR_UNAVAILABLE, "kedged is being upgraded, and did not wait for the end of this"),
		"do it again: what was done is used");
}

void job_end(Job *job, Error *take_error)
{
	if (job->ended) {
		error_free(take_error); /* an end has been told; a second one has no listener */
		return;
	}
	take_error = why_cancelled(job, take_error);
	job->ended = true;
	while (!list_empty(&job->subscriptions)) {
		JobSubscription *subscription = list_entry(job->subscriptions.next, JobSubscription, link);
		list_remove(&subscription->link);
		subscription->handlers.ended(subscription->arg, take_error);
		free(subscription);
	}
	error_free(take_error);
	loop_defer_free(job->engine->loop, job_free, job);
}

void jobs_give_way(Engine *engine)
{
	engine->gives_way = true;
	list_each(&engine->jobs, Job, link, job)
		job_cancel(job);
}
