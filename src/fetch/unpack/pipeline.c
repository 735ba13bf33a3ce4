// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "fetch/hash.h"
#include "fetch/unpack/content.h"
#include "fetch/unpack/extract.h"
#include "fetch/unpack/inflater.h"
#include "fetch/unpack/pipeline.h"
#include "fetch/unpack/ring.h"
#include "fetch/unpack/tar.h"

enum { TAR_READER, HASH_READER };
enum { STACK_SIZE = 1 << 20 };
enum { ARCHIVE_SLACK = 64 << 20 }; /* headers and padding of an archive that unpacks to little */

struct Pipeline {
	PipelineOptions options;
	Input *input;
	Ring *ring;
	Extractor *extractor;
	Digest diff_id;      /* of the hashing thread, read when all are joined */
	UnpackResult result; /* of the extracting thread, the same */
	int64_t max_archive;

	pthread_t threads[3];
	unsigned started;
	bool joined;
	atomic_uint running;
	pthread_mutex_t lock;
	Error *error; /* the first one */
};

/* Later errors follow from the first one. */
static void fail(Pipeline *pipeline, Error *take_error)
{
	pthread_mutex_lock(&pipeline->lock);
	if (pipeline->error)
		error_free(take_error);
	else
		pipeline->error = take_error;
	pthread_mutex_unlock(&pipeline->lock);
	ring_stop(pipeline->ring);
	input_stop(pipeline->input);
}

static void wake(const Pipeline *pipeline)
{
	uint64_t one = 1;

	if (pipeline->options.wake_fd >= 0 && write(pipeline->options.wake_fd, &one, sizeof one) < 0)
		return; /* the counter is full: it wakes */
}

static void *end_thread(Pipeline *pipeline, Error *take_error)
{
	if (take_error)
		fail(pipeline, take_error);
	atomic_fetch_sub(&pipeline->running, 1);
	wake(pipeline);
	return NULL;
}

/* ---- inflating ---- */

static fallible inflate_all(Pipeline *pipeline)
{
	autoptr(Inflater) inflater = inflater_new(pipeline->input);
	int64_t total = 0;
	size_t length = 0;

	for (;;) {
		uint8_t *room = ring_room(pipeline->ring);
		if (!room)
			return NULL;
		TRY(inflater_read(inflater, room, RING_BUFFER_SIZE, &length));
		if (length == 0)
			break;
		total += (int64_t)length;
		if (total > pipeline->max_archive)
			return error_new(
				ERROR_TOO_LARGE, "archive is longer than %lld bytes", (long long)pipeline->max_archive);
		ring_fill(pipeline->ring, length);
	}
	ring_end(pipeline->ring);
	return NULL;
}

static void *inflate_main(void *arg)
{
	return end_thread(arg, inflate_all(arg));
}

/* ---- hashing ---- */

static void *hash_main(void *arg)
{
	Pipeline *pipeline = arg;
	autoptr(Hash) hash = hash_new();
	const uint8_t *run = NULL;
	size_t length = 0;

	while (ring_next(pipeline->ring, HASH_READER, &run, &length) == RING_DATA)
		hash_add(hash, run, length);
	hash_end(hash, &pipeline->diff_id);
	return end_thread(pipeline, NULL);
}

/* ---- extracting ---- */

static Error *next_run(void *arg, const uint8_t **ret, size_t *ret_length)
{
	Pipeline *pipeline = arg;

	switch (ring_next(pipeline->ring, TAR_READER, ret, ret_length)) {
	case RING_DATA:
		return NULL;
	case RING_END:
		*ret_length = 0;
		return NULL;
	default:
		return error_new(ERROR_CANCELLED, "unpacking was stopped");
	}
}

/* What lies behind the end of the archive belongs to the diff id all the same. */
static fallible drain(Pipeline *pipeline)
{
	const uint8_t *run = NULL;
	size_t length = 0;

	do
		TRY(next_run(pipeline, &run, &length));
	while (length > 0);
	return NULL;
}

/* What replaces something must not be a part by accident. */
static bool is_whole(const Pipeline *pipeline)
{
	return pipeline->options.copy && pipeline->options.copy->is_root;
}

static fallible extract_all(Pipeline *pipeline)
{
	TarSource source = {.next = next_run, .arg = pipeline};
	autoptr(TarReader) reader = tar_new(&source);

	TRY(extractor_run(pipeline->extractor, reader));
	if (is_whole(pipeline) && !tar_has_end(reader))
		return error_new(ERROR_INVALID, "the archive is cut: the blocks of zeros that end one are missing");
	TRY(drain(pipeline));
	TRY(extractor_finish(pipeline->extractor, &pipeline->result));
	if (pipeline->options.sync && syncfs(pipeline->options.root) < 0)
		return content_error(errno, "could not write the archive's files to the disk");
	return NULL;
}

static void *extract_main(void *arg)
{
	return end_thread(arg, extract_all(arg));
}

/* ---- life ---- */

static int64_t archive_limit(int64_t max_bytes)
{
	int64_t limit = max_bytes > 0 ? max_bytes : UNPACK_MAX_BYTES;

	return limit > (INT64_MAX - ARCHIVE_SLACK) / 2 ? INT64_MAX : limit * 2 + ARCHIVE_SLACK;
}

/* What is copied into a container has no name of its own. */
static bool is_hashed(const Pipeline *pipeline)
{
	return pipeline->options.mode != UNPACK_COPY;
}

static Pipeline *pipeline_new(const PipelineOptions *options)
{
	Pipeline *pipeline = mem_new(Pipeline);

	pipeline->options = *options;
	pipeline->input = input_new(options->input_fd, options->wake_fd);
	pipeline->ring = ring_new(is_hashed(pipeline) ? RING_READERS : 1);
	pipeline->extractor = extractor_new(options->root, options->mode, &options->limits);
	if (options->copy)
		extractor_copy(pipeline->extractor, options->copy);
	pipeline->max_archive = archive_limit(options->limits.max_bytes);
	pthread_mutex_init(&pipeline->lock, NULL);
	return pipeline;
}

static fallible start_threads(Pipeline *pipeline)
{
	void *(*const mains[])(void *) = {inflate_main, extract_main, hash_main};
	const unsigned count = is_hashed(pipeline) ? 3 : 2;
	pthread_attr_t attributes;
	int result = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	for (; result == 0 && pipeline->started < count; pipeline->started += result == 0) {
		atomic_fetch_add(&pipeline->running, 1);
		result = pthread_create(
			&pipeline->threads[pipeline->started], &attributes, mains[pipeline->started], pipeline);
	}
	pthread_attr_destroy(&attributes);
	return result == 0 ? NULL : error_errno(result, "could not start a thread");
}

Error *pipeline_start(Pipeline **ret, const PipelineOptions *options)
{
	autoptr(Pipeline) pipeline = pipeline_new(options);

	TRY(start_threads(pipeline));
	*ret = take(pipeline);
	return NULL;
}

void pipeline_allow(Pipeline *pipeline, int64_t available, bool complete)
{
	input_allow(pipeline->input, available, complete);
}

int64_t pipeline_position(Pipeline *pipeline)
{
	return input_position(pipeline->input);
}

bool pipeline_is_done(Pipeline *pipeline)
{
	return atomic_load(&pipeline->running) == 0;
}

static void join(Pipeline *pipeline)
{
	for (unsigned i = 0; !pipeline->joined && i < pipeline->started; i++)
		pthread_join(pipeline->threads[i], NULL);
	pipeline->joined = true;
}

Error *pipeline_finish(Pipeline *pipeline, UnpackResult *ret)
{
	join(pipeline);
	TRY(take(pipeline->error));
	*ret = pipeline->result;
	ret->diff_id = pipeline->diff_id;
	pipeline->result = (UnpackResult){0};
	return NULL;
}

Pipeline *pipeline_free(Pipeline *pipeline)
{
	if (!pipeline)
		return NULL;
	ring_stop(pipeline->ring);
	input_stop(pipeline->input);
	join(pipeline);
	error_free(pipeline->error);
	unpack_result_clear(&pipeline->result);
	extractor_free(pipeline->extractor);
	input_free(pipeline->input);
	ring_free(pipeline->ring);
	pthread_mutex_destroy(&pipeline->lock);
	free(pipeline);
	return NULL;
}
