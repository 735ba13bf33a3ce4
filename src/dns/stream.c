// SPDX-License-Identifier: Apache-2.0
#include "dns/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#define IDLE_LIMIT (10 * NANOS_PER_SECOND)

enum { PREFIX = 2 /* of a message: its length */, ASKED_MAX = 16, IN_MAX = PREFIX + MESSAGE_QUESTION_MAX };
enum { OUT_MAX = 128 << 10 }; /* while more waits to be written, no further question is looked at */

struct Stream {
	List in_container;
	Container *container;
	int fd;
	Source *source, *idle;
	Buffer in, out;
	size_t asked;  /* not answered yet */
	bool is_ended; /* the client says nothing more */
	bool is_over;  /* to be freed */
};

static uint8_t answer_bytes[MESSAGE_MAX]; /* one is written at a time */

/* ---- life ---- */

static void stream_free(Stream *stream)
{
	Container *container = stream->container;

	container_forget_stream(container, stream);
	list_remove(&stream->in_container);
	container->stream_count--;
	container->service->stream_count--;
	source_free(stream->source);
	source_free(stream->idle);
	close_fd(&stream->fd);
	buffer_clear(&stream->in);
	buffer_clear(&stream->out);
	free(stream);
}

/* What is left of a question that never ends is none. */
static bool is_through(const Stream *stream)
{
	return stream->is_over || (stream->is_ended && !stream->asked && !stream->out.length);
}

void streams_close(Container *container)
{
	while (!list_empty(&container->streams))
		stream_free(list_entry(container->streams.next, Stream, in_container));
}

static void on_idle(void *arg)
{
	stream_free(arg);
}

/* ---- answers ---- */

static void update_events(Stream *stream)
{
	bool reads = !stream->is_ended && !stream->out.length && stream->asked < ASKED_MAX;

	source_set_events(stream->source, (reads ? LOOP_READ : 0u) | (stream->out.length ? LOOP_WRITE : 0u));
}

static void write_out(Stream *stream)
{
	ssize_t sent = send(stream->fd, stream->out.data, stream->out.length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		stream->is_over = true;
	if (sent <= 0)
		return;
	buffer_consume(&stream->out, (size_t)sent);
	if (!stream->out.length)
		buffer_clear(&stream->out);
	source_rearm(stream->idle, IDLE_LIMIT);
}

static void add_answer(Stream *stream, const uint8_t *answer, size_t length)
{
	uint16_t prefix = htons((uint16_t)length);

	buffer_add(&stream->out, &prefix, PREFIX);
	buffer_add(&stream->out, answer, length);
}

void stream_answer(Stream *stream, const uint8_t *answer, size_t length)
{
	stream->asked--;
	add_answer(stream, answer, length);
}

/* ---- questions ---- */

static void ask(Stream *stream, const uint8_t *question, size_t length)
{
	const Asker asker = {.stream = stream};
	size_t answered = 0;

	switch (container_ask(stream->container, &asker, question, length, answer_bytes, &answered)) {
	case ASK_ANSWERED:
		add_answer(stream, answer_bytes, answered);
		break;
	case ASK_PENDING:
		stream->asked++;
		break;
	case ASK_DROPPED:
		stream->is_over = true;
		break;
	}
}

/* 0: not all of it is there. */
static size_t next_length(Stream *stream)
{
	uint16_t length;

	if (stream->in.length < PREFIX)
		return 0;
	memcpy(&length, stream->in.data, sizeof(length));
	length = ntohs(length);
	if (!length || length > MESSAGE_QUESTION_MAX)
		stream->is_over = true;
	return stream->in.length >= PREFIX + (size_t)length ? length : 0;
}

/* False: nothing is to be written. */
static bool handle_questions(Stream *stream)
{
	size_t length;

	while (!stream->is_over && stream->asked < ASKED_MAX && stream->out.length < OUT_MAX &&
		(length = next_length(stream))) {
		ask(stream, (const uint8_t *)stream->in.data + PREFIX, length);
		buffer_consume(&stream->in, PREFIX + length);
		source_rearm(stream->idle, IDLE_LIMIT);
	}
	if (!stream->in.length)
		buffer_clear(&stream->in);
	return stream->out.length;
}

static void read_in(Stream *stream)
{
	char *room = buffer_reserve(&stream->in, IN_MAX - stream->in.length);
	ssize_t count = recv(stream->fd, room, IN_MAX - stream->in.length, MSG_DONTWAIT);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	stream->is_over = count < 0;
	stream->is_ended = count == 0;
	if (count > 0)
		buffer_commit(&stream->in, (size_t)count);
}

/* Answers first: questions that have come wait for those before them to be written. */
static void go_on(Stream *stream)
{
	if (stream->out.length)
		write_out(stream);
	while (!stream->is_over && !stream->out.length && handle_questions(stream))
		write_out(stream);
	if (is_through(stream))
		stream_free(stream);
	else
		update_events(stream);
}

void streams_go_on(Container *container)
{
	list_each(&container->streams, Stream, in_container, stream)
		go_on(stream);
}

static void on_event(void *arg, int fd, unsigned events)
{
	(void)fd;
	if (events & LOOP_READ)
		read_in(arg);
	go_on(arg);
}

void stream_serve(Container *container, int take_fd)
{
	Loop *loop = container->service->loop;
	Stream *stream = mem_new(Stream);

	stream->container = container;
	stream->fd = take_fd;
	buffer_init(&stream->in, IN_MAX);
	list_append(&container->streams, &stream->in_container);
	container->stream_count++;
	container->service->stream_count++;
	Error *error = loop_watch(&stream->source, loop, stream->fd, LOOP_READ, on_event, stream);
	if (!error)
		error = loop_timer(&stream->idle, loop, IDLE_LIMIT, on_idle, stream);
	if (!error)
		return;
	error_free(error); /* the client sees the connection closed */
	stream_free(stream);
}
