// SPDX-License-Identifier: Apache-2.0
#include "docker/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "json/writer.h"

enum { BAR_WIDTH = 50, PENDING_MAX = 1 << 20 };

typedef struct Progress {
	HttpRequest *request;
	HttpStream *stream; /* NULL until it began */
	JobSubscription *subscription;
	ProgressKind kind;
	char *name, *tag;
	StringList announced; /* items that had their first line */
} Progress;

/* What Docker says of an item in each phase. A phase without words is not shown. */
static const char *const words[][JOB_PHASES] = {
	[PROGRESS_PULL] =
		{
			[JOB_WAITING] = "Waiting",
			[JOB_DOWNLOADING] = "Downloading",
			[JOB_VERIFYING] = "Verifying Checksum",
			[JOB_DOWNLOADED] = "Download complete",
			[JOB_UNPACKING] = "Extracting",
			[JOB_COMPLETE] = "Pull complete",
			[JOB_EXISTS] = "Already exists",
		},
	[PROGRESS_PUSH] =
		{
			[JOB_PREPARING] = "Preparing",
			[JOB_WAITING] = "Waiting",
			[JOB_UPLOADING] = "Pushing",
			[JOB_UPLOADED] = "Pushed",
			[JOB_COMPLETE] = "Pushed",
			[JOB_EXISTS] = "Layer already exists",
		},
	[PROGRESS_IMPORT] = {NULL},
	[PROGRESS_LOAD] = {[JOB_UNPACKING] = "Loading layer"},
};

/* ---- lines ---- */

/* Four significant digits, powers of 1000: "1.234MB". */
static void human_size(char *ret, size_t size, int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double number = (double)bytes;
	size_t unit = 0;

	while (number >= 1000 && unit < 4) {
		number /= 1000;
		unit++;
	}
	snprintf(ret, size, "%.4g%s", number, units[unit]);
}

static void write_bar(Writer *writer, int64_t current, int64_t total)
{
	char done[32], all[32], bar[BAR_WIDTH + 1];
	int filled = total > 0 && current < total ? (int)(current * BAR_WIDTH / total) : BAR_WIDTH;

	memset(bar, '=', sizeof(bar));
	bar[filled] = '\0';
	human_size(done, sizeof(done), current);
	human_size(all, sizeof(all), total);
	if (total > 0)
		write_stringf(writer, "progress", "[%s>%*s] %8s/%s", bar, BAR_WIDTH - filled, "", done, all);
	else
		write_stringf(writer, "progress", "%8s", done);
}

static void write_detail(Writer *writer, int64_t current, int64_t total)
{
	write_object(writer, "progressDetail");
	if (current > 0 || total > 0) {
		write_int(writer, "current", current);
		if (total > 0)
			write_int(writer, "total", total);
	}
	write_object_end(writer);
	if (current > 0 || total > 0)
		write_bar(writer, current, total);
}

static void begin_stream(Progress *progress)
{
	if (progress->stream)
		return;
	progress->stream = http_respond_stream(progress->request, 200, "application/json");
}

static void send_line(Progress *progress, Buffer *line)
{
	begin_stream(progress);
	buffer_add(line, "\r\n", 2);
	http_stream_write(progress->stream, line->data, line->length);
}

static void send_item(Progress *progress, const char *status, const JobProgress *said, bool with_detail)
{
	autoclear(Buffer) line = {0};
	Writer writer;

	writer_init(&writer, &line);
	write_object(&writer, NULL);
	write_string(&writer, "status", status);
	write_detail(&writer, with_detail ? said->current : 0, with_detail ? said->total : 0);
	write_string(&writer, "id", said->item);
	write_object_end(&writer);
	send_line(progress, &line);
}

static void send_text(Progress *progress, const char *key, const char *id, const char *text)
{
	autoclear(Buffer) line = {0};
	Writer writer;

	writer_init(&writer, &line);
	write_object(&writer, NULL);
	write_string(&writer, key, text);
	if (id)
		write_string(&writer, "id", id);
	write_object_end(&writer);
	send_line(progress, &line);
}

static void send_error(Progress *progress, const Error *error)
{
	autoclear(Buffer) line = {0};
	autofree char *message = error_text(error);
	Writer writer;

	writer_init(&writer, &line);
	write_object(&writer, NULL);
	write_object(&writer, "errorDetail");
	write_string(&writer, "message", message);
	if (error_hint_text(error))
		write_string(&writer, "hint", error_hint_text(error));
	write_object_end(&writer);
	write_string(&writer, "error", message);
	write_object_end(&writer);
	send_line(progress, &line);
}

/* ---- what a Job says ---- */

static void say_name(Progress *progress, const JobProgress *said)
{
	autofree char *text = NULL;

	if (progress->kind == PROGRESS_LOAD)
		return;
	if (progress->kind == PROGRESS_PULL)
		text = string_printf("Pulling from %s", said->text ? said->text : progress->name);
	else
		text = string_printf("The push refers to repository [%s]", progress->name);
	send_text(progress, "status", progress->kind == PROGRESS_PULL ? progress->tag : NULL, text);
}

/* A pushed digest is told in a line and, for programs, in one more. */
static void say_pushed_digest(Progress *progress, const JobProgress *said)
{
	const char *tag = progress->tag ? progress->tag : "latest";
	autofree char *text = string_printf("%s: digest: %s size: %lld", tag, said->text, (long long)said->total);
	autoclear(Buffer) line = {0};
	Writer writer;

	send_text(progress, "status", NULL, text);
	writer_init(&writer, &line);
	write_object(&writer, NULL);
	write_raw(&writer, "progressDetail", "{}");
	write_object(&writer, "aux");
	write_string(&writer, "Tag", tag);
	write_string(&writer, "Digest", said->text);
	write_int(&writer, "Size", said->total);
	write_object_end(&writer);
	write_object_end(&writer);
	send_line(progress, &line);
}

static void say_digest(Progress *progress, const JobProgress *said)
{
	autofree char *text = string_printf("Digest: %s", said->text);

	if (progress->kind == PROGRESS_PULL)
		send_text(progress, "status", NULL, text);
	else if (progress->kind == PROGRESS_PUSH)
		say_pushed_digest(progress, said);
}

static void say_result(Progress *progress, const JobProgress *said)
{
	autofree char *text = NULL;

	if (progress->kind == PROGRESS_PULL) {
		text = string_printf("Status: %s", said->text);
		send_text(progress, "status", NULL, text);
	} else if (progress->kind == PROGRESS_IMPORT) {
		send_text(progress, "status", NULL, said->text);
	} else if (progress->kind == PROGRESS_LOAD) {
		text = string_printf("%s\n", said->text);
		send_text(progress, "stream", NULL, text);
	}
}

static void say_retry(Progress *progress, const JobProgress *said)
{
	autofree char *text =
		string_printf("Retrying in %lld second%s", (long long)said->current, said->current == 1 ? "" : "s");

	if (string_empty(said->item))
		send_text(progress, "status", NULL, text);
	else
		send_item(progress, text, said, false);
}

static void say_mounted(Progress *progress, const JobProgress *said)
{
	autofree char *text = string_printf("Mounted from %s", said->text);

	send_item(progress, text, said, false);
}

/* The first line of an item is always the same; clients count layers by it. */
static void announce(Progress *progress, const JobProgress *said)
{
	if (progress->kind != PROGRESS_PULL || said->phase == JOB_EXISTS ||
		strings_has(&progress->announced, said->item))
		return;
	strings_add(&progress->announced, said->item);
	send_item(progress, "Pulling fs layer", said, false);
}

static void say_item(Progress *progress, const JobProgress *said)
{
	const char *status = words[progress->kind][said->phase];
	bool moves = said->phase == JOB_DOWNLOADING || said->phase == JOB_UNPACKING || said->phase == JOB_UPLOADING;

	if (!status || (moves && progress->stream && http_stream_pending(progress->stream) > PENDING_MAX))
		return;
	announce(progress, said);
	send_item(progress, status, said, moves);
}

static void on_progress(void *arg, const JobProgress *said)
{
	Progress *progress = arg;

	switch (said->phase) {
	case JOB_RESOLVING: /* may still end as an HTTP error */
		break;
	case JOB_NAME:
		say_name(progress, said);
		break;
	case JOB_DIGEST:
		say_digest(progress, said);
		break;
	case JOB_RESULT:
		say_result(progress, said);
		break;
	case JOB_NOTE:
		send_text(progress, "status", NULL, said->text);
		break;
	case JOB_MOUNTED:
		say_mounted(progress, said);
		break;
	case JOB_RETRYING:
		if (progress->stream)
			say_retry(progress, said);
		break;
	default:
		say_item(progress, said);
	}
}

/* ---- life ---- */

static void progress_free(Progress *progress)
{
	strings_clear(&progress->announced);
	free(progress->name);
	free(progress->tag);
	free(progress);
}

/* A 401 makes docker's program ask for a password on the terminal, in scripts too: dockerd answers 404 to a pull that
 * needs a login. */
static Error *early_error(const Progress *progress, const Error *error)
{
	const char *hint = error_hint_text(error);
	Error *answer;

	if (progress->kind != PROGRESS_PULL || error_kind(error) != ERROR_UNAUTHORIZED)
		return error_copy(error);
	answer = error_new(ERROR_NOT_FOUND, "%s", error_message(error));
	return hint ? error_hint(answer, "%s", hint) : answer;
}

static void on_ended(void *arg, const Error *error)
{
	Progress *progress = arg;

	if (error && !progress->stream) {
		http_respond_error(progress->request, early_error(progress, error));
	} else {
		if (error)
			send_error(progress, error);
		begin_stream(progress);
		http_stream_end(progress->stream);
	}
	progress_free(progress);
}

static void on_gone(void *arg)
{
	Progress *progress = arg;

	job_unsubscribe(progress->subscription);
	progress_free(progress);
}

void progress_follow(HttpRequest *request, Job *job, ProgressKind kind, const char *name, const char *tag)
{
	static const JobHandlers handlers = {.progress = on_progress, .ended = on_ended};
	Progress *progress = mem_new(Progress);

	progress->request = request;
	progress->kind = kind;
	progress->name = mem_strdup(name);
	progress->tag = mem_strdup(tag);
	http_request_on_gone(request, on_gone, progress);
	progress->subscription = job_subscribe(job, &handlers, progress);
}
