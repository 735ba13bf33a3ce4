// SPDX-License-Identifier: Apache-2.0
/* GET /containers/{id}/logs */
#include "engine/logs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/output.h"
#include "telemetry/options.h"

typedef struct LogStream {
	Container *container;
	Output *output;
	LogReader *reader;
	ContainerWait *wait; /* a follower's: until the container ends */
	bool timestamps, details;
} LogStream;

static void logs_free(LogStream *logs)
{
	container_wait_cancel(logs->wait);
	log_reader_close(logs->reader);
	container_unref(logs->container);
	free(logs);
}

/* ---- what happens ---- */

/* Details are the attributes that log options ask for. Here there are none: as Docker has it, a blank stands for them.
 */
static void on_entry(void *arg, int stream, const char *time, int64_t time_ns, const char *data, size_t length)
{
	LogStream *logs = arg;
	char head[CLOCK_TEXT_MAX + 3];
	size_t count = logs->timestamps ? strnlen(time, CLOCK_TEXT_MAX) : 0;

	(void)time_ns;
	memcpy(head, time, count);
	if (logs->timestamps)
		head[count++] = ' ';
	if (logs->details)
		head[count++] = ' ';
	head[count] = '\0';
	output_write(logs->output, stream, count ? head : NULL, data, length);
}

static void on_end(void *arg)
{
	LogStream *logs = arg;

	output_end(logs->output);
	logs_free(logs);
}

static void on_container_end(void *arg, int exit_code)
{
	LogStream *logs = arg;

	(void)exit_code;
	logs->wait = NULL;
	log_reader_finish(logs->reader);
}

static void on_pause(void *arg, bool paused)
{
	log_reader_pause(((LogStream *)arg)->reader, paused);
}

static void on_gone(void *arg)
{
	logs_free(arg);
}

/* ---- from one program to the next ---- */

static void carry(void *arg, HttpCarry *ret)
{
	const LogStream *logs = arg;
	LogPlace place;

	if (log_reader_place(&place, logs->reader))
		buffer_printf(&ret->cursor, "%" PRIu64 " %" PRId64 " %d", place.file, place.offset, place.skips_line);
}

/* False: it is to begin as it was asked to. */
static bool read_place(LogPlace *ret, const HttpCarry *carried)
{
	int skips_line = 0;

	if (!carried || sscanf(buffer_text(&carried->cursor), "%" SCNu64 " %" SCNd64 " %d", &ret->file, &ret->offset,
				&skips_line) < 3)
		return false;
	ret->skips_line = skips_line;
	return true;
}

/* ---- the request ---- */

static fallible read_tail(int64_t *ret, const HttpRequest *request)
{
	const char *text = http_request_query(request, "tail");

	*ret = -1;
	if (string_empty(text) || string_equal(text, "all"))
		return NULL;
	TRY(request_int(ret, request, "tail", -1));
	*ret = *ret < -1 ? -1 : *ret;
	return NULL;
}

static fallible read_log_query(LogQuery *ret, const HttpRequest *request)
{
	*ret = (LogQuery){.want_stdout = http_request_flag(request, "stdout"),
		.want_stderr = http_request_flag(request, "stderr"),
		.follow = http_request_flag(request, "follow")};
	if (!ret->want_stdout && !ret->want_stderr)
		return error_new(ERROR_INVALID, "Bad parameters: you must choose at least one stream");
	TRY(read_tail(&ret->tail, request));
	TRY(request_time(&ret->since_ns, request, "since"));
	return request_time(&ret->until_ns, request, "until");
}

/* What is sent elsewhere is read here all the same, unless that was switched off. */
static bool has_no_cache(const ContainerSpec *spec)
{
	return log_option_is_true(map_get(&spec->log_options, "cache-disabled"), false);
}

static fallible open_logs(LogStream *logs, LogQuery *query, HttpRequest *request, Engine *engine)
{
	static const LogReaderHandlers handlers = {.entry = on_entry, .end = on_end};
	ContainerView view;
	LogPlace place;

	container_view(logs->container, &view);
	const LogPlaces places = {view.state_directory, view.gather_directory};
	TRY(read_log_query(query, request));
	if (read_place(&place, http_request_carried(request)))
		query->from = &place;
	if (string_equal(view.spec->log_driver, "none") || has_no_cache(view.spec))
		return error_new(ERROR_UNSUPPORTED, "configured logging driver does not support reading");
	/* What does not run writes no more: a follower gets what there is. */
	query->follow = query->follow && container_is_live(logs->container);
	logs->timestamps = http_request_flag(request, "timestamps");
	logs->details = http_request_flag(request, "details");
	return log_reader_open(&logs->reader, engine_loop(engine), &places, query, &handlers, logs);
}

static void container_logs(HttpRequest *request, void *context)
{
	static const OutputHandlers handlers = {.pause = on_pause, .gone = on_gone};
	Container *container = find_container(request, context);
	ContainerView view;
	LogStream *logs;
	LogQuery query;
	Error *error;

	if (!container)
		return;
	container_view(container, &view);
	logs = mem_new(LogStream);
	logs->container = container_ref(container);
	error = open_logs(logs, &query, request, docker_engine(context));
	if (error) {
		logs_free(logs);
		http_respond_error(request, error);
		return;
	}
	logs->output = output_on_stream(request, output_content_type(docker_version(request), !view.spec->tty),
		!view.spec->tty, &handlers, logs);
	if (!query.follow)
		return;
	output_on_carry(logs->output, carry, logs);
	logs->wait = container_wait(container, WAIT_NEXT_EXIT, on_container_end, logs);
}

const HttpRoute logs_routes[] = {
	{"GET", "/containers/{id}/logs", container_logs, 0, 0},
	{0},
};
