// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fetch/helper.h"
#include "fetch/unpack_client.h"
#include "fetch/unpack_wire.h"

_Static_assert((int)HELPER_CHANNEL_FD == (int)UNPACK_CHANNEL_FD, "where kedge-unpack looks for its channel");

enum { ITEMS_MAX = 16384 }; /* opaque directories, digests: what kedge-unpack itself allows at most */

struct Unpacker {
	Helper *helper;
	char *program;
	UnpackerHandlers handlers;
	void *arg;
	UnpackMode mode;
	UnpackResult result; /* as it arrives */
	bool finished;       /* done was called */
};

/* The handler may free the unpacker: nothing touches it afterwards. */
static void finish(Unpacker *unpacker, Error *take_error)
{
	if (unpacker->finished) {
		error_free(take_error); /* the end of a process that has told all */
		return;
	}
	unpacker->finished = true;
	unpacker->handlers.done(unpacker->arg, take_error, take_error ? NULL : &unpacker->result);
}

/* ---- frames from the jail: nothing in them is trusted ---- */

static fallible nonsense(void)
{
	return error_new(ERROR_INTERNAL, "message makes no sense");
}

/* Relative, without empty parts, "." and "..": or "." alone. */
static bool is_plain_path(const char *path)
{
	if (string_equal(path, "."))
		return true;
	if (!*path || strlen(path) >= PATH_MAX)
		return false;
	for (;;) {
		size_t length = strcspn(path, "/");
		if (length == 0 || (length <= 2 && memcmp(path, "..", length) == 0))
			return false;
		if (!path[length])
			return true;
		path += length + 1;
	}
}

static fallible on_progress(Unpacker *unpacker, const UnpackMessage *message)
{
	if (unpacker->handlers.progress)
		unpacker->handlers.progress(unpacker->arg, message->numbers.position);
	return NULL;
}

static fallible on_opaque(Unpacker *unpacker, const UnpackMessage *message)
{
	if (!is_plain_path(message->first) || unpacker->result.opaque.count == ITEMS_MAX)
		return nonsense();
	strings_add(&unpacker->result.opaque, message->first);
	return NULL;
}

static fallible on_digest(Unpacker *unpacker, const UnpackMessage *message)
{
	Digest digest;

	if (!is_plain_path(message->first) || unpacker->result.digests.count == ITEMS_MAX)
		return nonsense();
	TRY(digest_parse(&digest, message->second));
	map_set(&unpacker->result.digests, message->first, digest.text);
	return NULL;
}

static fallible on_failed(Unpacker *unpacker, const UnpackMessage *message)
{
	int64_t kind = message->numbers.kind;
	Error *error;

	if (kind < 0 || kind >= ERROR_KINDS)
		return nonsense();
	error = error_new((ErrorKind)kind, "%s", message->first);
	finish(unpacker, *message->second ? error_hint(error, "%s", message->second) : error);
	return NULL;
}

static fallible on_done(Unpacker *unpacker, const UnpackMessage *message)
{
	UnpackResult *result = &unpacker->result;

	if (unpacker->mode != UNPACK_COPY)
		TRY(digest_parse(&result->diff_id, message->first));
	if (message->numbers.bytes < 0 || message->numbers.entries < 0)
		return nonsense();
	result->bytes = message->numbers.bytes;
	result->entries = message->numbers.entries;
	finish(unpacker, NULL);
	return NULL;
}

static Error *(*const words[UNPACK_WORDS])(Unpacker *unpacker, const UnpackMessage *message) = {
	[UNPACK_PROGRESS] = on_progress,
	[UNPACK_OPAQUE] = on_opaque,
	[UNPACK_DIGEST] = on_digest,
	[UNPACK_FAILED] = on_failed,
	[UNPACK_DONE] = on_done,
};

static Error *on_frame(void *arg, const Frame *frame)
{
	Unpacker *unpacker = arg;
	UnpackMessage message;

	TRY(unpack_wire_parse(&message, frame));
	if (!words[message.numbers.word] || unpacker->finished)
		return nonsense();
	return words[message.numbers.word](unpacker, &message);
}

static void on_ended(void *arg, Error *take_error)
{
	finish(arg, take_error);
}

/* ---- life ---- */

static fallible send_message(Unpacker *unpacker, const UnpackMessage *message, int fd)
{
	return helper_sent(unpacker->helper, unpack_wire_send(helper_channel(unpacker->helper), message, fd));
}

static fallible send_start(Unpacker *unpacker, const UnpackerOptions *options)
{
	const UnpackMessage directory = {.numbers = {.word = UNPACK_DIRECTORY}};
	static const UnpackCopy none = {0};
	const UnpackCopy *copy = options->copy ? options->copy : &none;
	const UnpackMessage start = {.first = copy->path,
		.numbers = {
			.word = UNPACK_START,
			.mode = options->mode,
			.max_bytes = options->limits.max_bytes,
			.max_entries = options->limits.max_entries,
			.max_depth = options->limits.max_depth,
			.sync = options->sync,
			.available = options->input_available,
			.complete = options->input_complete,
			.is_described = copy->is_described,
			.keeps_directories = copy->keeps_directories,
			.is_root = copy->is_root,
			.has_owner = copy->has_owner,
			.uid = copy->uid,
			.gid = copy->gid,
		}};

	TRY(send_message(unpacker, &directory, options->directory_fd));
	return send_message(unpacker, &start, options->input_fd);
}

Error *unpacker_start(
	Unpacker **ret, Loop *loop, const UnpackerOptions *options, const UnpackerHandlers *handlers, void *arg)
{
	const HelperHandlers frames = {.frame = on_frame, .ended = on_ended};
	autoptr(Unpacker) unpacker = mem_new(Unpacker);

	unpacker->handlers = *handlers;
	unpacker->arg = arg;
	unpacker->mode = options->mode;
	unpacker->program = mem_strdup(options->program);
	const char *const argv[] = {unpacker->program, "--serve", NULL};
	TRY(helper_start(&unpacker->helper, loop, argv, &frames, unpacker));
	TRY(send_start(unpacker, options));
	*ret = take(unpacker);
	return NULL;
}

void unpacker_input(Unpacker *unpacker, int64_t available, bool complete)
{
	const UnpackMessage message = {.numbers = {.word = UNPACK_INPUT, .available = available, .complete = complete}};

	if (unpacker->finished)
		return;
	error_free(send_message(unpacker, &message, -1)); /* a lost process is told by its end */
}

Unpacker *unpacker_free(Unpacker *unpacker)
{
	if (!unpacker)
		return NULL;
	unpacker->finished = true;
	helper_free(unpacker->helper);
	unpack_result_clear(&unpacker->result);
	free(unpacker->program);
	free(unpacker);
	return NULL;
}
