// SPDX-License-Identifier: Apache-2.0
#include "docker/upload.h"

#include <stdlib.h>

#include "base/memory.h"

typedef struct Upload {
	HttpRequest *request;
	const UploadSink *taker;
	void *sink; /* NULL: the job has ended */
	Job *job;
	JobSubscription *subscription;
	ProgressKind kind;
	Error *failure; /* why the job ended while the body still came */
} Upload;

static void on_early_end(void *arg, const Error *error)
{
	Upload *upload = arg;

	upload->subscription = NULL;
	upload->sink = NULL;
	upload->failure = error ? error_copy(error) : NULL;
}

static void upload_free(Upload *upload)
{
	if (upload->sink)
		upload->taker->abandon(upload->sink);
	error_free(upload->failure);
	free(upload);
}

static void on_data(void *arg, const char *bytes, size_t length)
{
	Upload *upload = arg;
	Error *error = upload->sink ? upload->taker->data(upload->sink, bytes, length) : NULL;

	if (!error)
		return;
	http_respond_error(upload->request, error);
	upload_free(upload);
}

static void on_complete(Upload *upload)
{
	if (!upload->sink) {
		http_respond_error(upload->request, take(upload->failure));
		return;
	}
	progress_follow(upload->request, upload->job, upload->kind, "", NULL);
	job_unsubscribe(upload->subscription);
	upload->taker->finish(upload->sink);
	upload->sink = NULL;
}

static void on_end(void *arg, bool complete)
{
	Upload *upload = arg;

	if (complete)
		on_complete(upload);
	upload_free(upload);
}

void upload_follow(HttpRequest *request, const UploadSink *taker, void *sink, Job *job, ProgressKind kind)
{
	static const JobHandlers handlers = {.ended = on_early_end};
	Upload *upload = mem_new(Upload);

	*upload = (Upload){.request = request, .taker = taker, .sink = sink, .job = job, .kind = kind};
	upload->subscription = job_subscribe(job, &handlers, upload);
	http_request_on_body(request, on_data, on_end, upload);
}
