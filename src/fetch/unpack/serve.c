// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "fetch/channel.h"
#include "fetch/hash.h"
#include "fetch/unpack/jail.h"
#include "fetch/unpack/pipeline.h"
#include "fetch/unpack/serve.h"
#include "fetch/unpack_wire.h"

typedef struct Session {
	Channel *channel;
	int wake_fd;
	int input_fd;
	int directory_fd; /* -1 once the jail is entered */
	int root;
	char *path; /* of copy */
	UnpackCopy copy;
	Pipeline *pipeline; /* NULL: not started */
	int64_t told_position;
} Session;

static fallible gone(void)
{
	return error_new(ERROR_CANCELLED, "the other end is gone");
}

/* ---- what kedged says ---- */

static fallible enter_jail(Session *session, const UnpackNumbers *numbers, int64_t max_bytes)
{
	int directory = take_fd(&session->directory_fd);

	if (numbers->mode == UNPACK_COPY)
		return jail_enter_container(&session->root, directory, numbers->is_described, session->path, max_bytes);
	return jail_enter(&session->root, directory, max_bytes);
}

static void read_copy(Session *session, const UnpackMessage *message)
{
	const UnpackNumbers *numbers = &message->numbers;

	session->path = mem_strdup(message->first);
	session->copy = (UnpackCopy){.path = session->path,
		.keeps_directories = numbers->keeps_directories,
		.is_root = numbers->is_root,
		.has_owner = numbers->has_owner,
		.uid = (uid_t)numbers->uid,
		.gid = (gid_t)numbers->gid};
}

static UnpackMode mode_of(const UnpackNumbers *numbers)
{
	return numbers->mode == UNPACK_ARCHIVE || numbers->mode == UNPACK_COPY ? (UnpackMode)numbers->mode
									       : UNPACK_LAYER;
}

static fallible set_up(Session *session, const UnpackMessage *message)
{
	const UnpackNumbers *numbers = &message->numbers;
	PipelineOptions options = {
		.mode = mode_of(numbers),
		.copy = numbers->mode == UNPACK_COPY ? &session->copy : NULL,
		.limits = {numbers->max_bytes, numbers->max_entries, numbers->max_depth},
		.input_fd = session->input_fd,
		.wake_fd = session->wake_fd,
		.sync = numbers->sync,
	};
	int64_t max_bytes = numbers->max_bytes > 0 ? numbers->max_bytes : UNPACK_MAX_BYTES;

	read_copy(session, message);
	hash_prepare();
	TRY(enter_jail(session, numbers, max_bytes));
	options.root = session->root;
	TRY(pipeline_start(&session->pipeline, &options));
	pipeline_allow(session->pipeline, numbers->available, numbers->complete);
	return NULL;
}

static fallible handle(Session *session, const UnpackMessage *message)
{
	int fd = channel_take_fd(session->channel);

	switch (message->numbers.word) {
	case UNPACK_DIRECTORY:
		session->directory_fd = fd;
		return NULL;
	case UNPACK_START:
		session->input_fd = fd;
		return set_up(session, message);
	case UNPACK_INPUT:
		if (session->pipeline)
			pipeline_allow(session->pipeline, message->numbers.available, message->numbers.complete);
		return NULL;
	default:
		return error_new(ERROR_INVALID, "unexpected message %lld", (long long)message->numbers.word);
	}
}

/* Everything that has come. The end of the connection ends the process at once: its threads are not waited for. */
static fallible hear(Session *session)
{
	ChannelState state = CHANNEL_FRAME;

	for (;;) {
		autoclear(Frame) frame = {0};
		UnpackMessage message;
		TRY(channel_receive(session->channel, &frame, &state));
		if (state == CHANNEL_ENDED)
			_exit(EXIT_FAILURE);
		if (state != CHANNEL_FRAME)
			return NULL;
		TRY(unpack_wire_parse(&message, &frame));
		TRY(handle(session, &message));
	}
}

/* ---- what kedged is told ---- */

static fallible tell_progress(Session *session)
{
	UnpackMessage message = {.numbers = {.word = UNPACK_PROGRESS}};

	if (!session->pipeline)
		return NULL;
	message.numbers.position = pipeline_position(session->pipeline);
	if (message.numbers.position == session->told_position)
		return NULL;
	session->told_position = message.numbers.position;
	return unpack_wire_send(session->channel, &message, -1);
}

static fallible tell_failure(Session *session, Error *take_error)
{
	UnpackMessage message = {
		.numbers = {.word = UNPACK_FAILED, .kind = error_kind(take_error)},
		.first = error_message(take_error),
		.second = error_hint_text(take_error),
	};
	Error *error = unpack_wire_send(session->channel, &message, -1);

	error_free(take_error); /* told */
	return error;
}

static fallible tell_result(Session *session, const UnpackResult *result)
{
	for (size_t i = 0; i < result->opaque.count; i++) {
		UnpackMessage message = {.numbers = {.word = UNPACK_OPAQUE}, .first = result->opaque.items[i]};
		TRY(unpack_wire_send(session->channel, &message, -1));
	}
	for (size_t i = 0; i < result->digests.count; i++) {
		const StringPair *pair = &result->digests.items[i];
		UnpackMessage message = {.numbers = {.word = UNPACK_DIGEST}, .first = pair->key, .second = pair->value};
		TRY(unpack_wire_send(session->channel, &message, -1));
	}
	UnpackMessage done = {
		.numbers = {.word = UNPACK_DONE, .bytes = result->bytes, .entries = result->entries},
		.first = result->diff_id.text,
	};
	return unpack_wire_send(session->channel, &done, -1);
}

/* ---- the session ---- */

/* One round of waiting for either side. */
static fallible wait_and_hear(Session *session)
{
	short events = channel_is_pending(session->channel) ? POLLIN | POLLOUT : POLLIN;
	struct pollfd fds[] = {{channel_fd(session->channel), events, 0}, {session->wake_fd, POLLIN, 0}};
	uint64_t wakes;

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? NULL : error_errno(errno, "could not wait for the other end");
	if (fds[1].revents && read(session->wake_fd, &wakes, sizeof wakes) < 0 && errno != EAGAIN)
		return error_errno(errno, "could not read an eventfd");
	if (fds[0].revents & POLLOUT)
		TRY(channel_flush(session->channel));
	if (fds[0].revents & ~POLLOUT)
		TRY(hear(session));
	return tell_progress(session);
}

static fallible unpack(Session *session, UnpackResult *ret)
{
	while (!session->pipeline || !pipeline_is_done(session->pipeline))
		TRY(wait_and_hear(session));
	TRY(pipeline_finish(session->pipeline, ret));
	return tell_progress(session);
}

static fallible flush(Session *session)
{
	struct pollfd fd = {channel_fd(session->channel), POLLOUT, 0};

	while (channel_is_pending(session->channel)) {
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			return gone();
		TRY(channel_flush(session->channel));
	}
	return NULL;
}

static void session_clear(Session *session)
{
	pipeline_free(session->pipeline);
	channel_free(session->channel);
	close_fd(&session->wake_fd);
	close_fd(&session->input_fd);
	close_fd(&session->directory_fd);
	close_fd(&session->root);
	free(session->path);
}
DEFINE_AUTOCLEAR(Session, session_clear)

Error *unpack_serve(int take_socket)
{
	autoclear(Session) session = {.input_fd = -1, .directory_fd = -1, .root = -1};
	autoclear(UnpackResult) result = {0};
	Error *error;

	session.channel = channel_new(take_socket);
	session.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session.wake_fd < 0)
		return error_errno(errno, "could not make an eventfd");
	error = unpack(&session, &result);
	if (error)
		TRY(tell_failure(&session, error));
	else
		TRY(tell_result(&session, &result));
	return flush(&session);
}
