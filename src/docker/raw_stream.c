// SPDX-License-Identifier: Apache-2.0
#include "docker/raw_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { QUEUE_KEPT = 256 << 10 };

struct RawStream {
	int fd;
	int watch_fd; /* epoll of fd with no events asked for: tells only of a client that closed whole */
	Source *io, *watch;
	Buffer queue;
	size_t sent; /* bytes at the queue's front */
	RawHandlers handlers;
	void *arg;
	void (*released)(void *arg, int fd); /* NULL: the connection is ours to the end */
	bool ending;
};

static void set_events(RawStream *stream)
{
	source_set_events(stream->io, raw_stream_pending(stream) > 0 ? LOOP_WRITE : 0);
}

static void leave(RawStream *stream)
{
	void (*gone)(void *) = stream->ending ? NULL : stream->handlers.gone;
	void *arg = stream->arg;

	raw_stream_free(stream);
	if (gone)
		gone(arg);
}

/* ---- sending ---- */

/* False when the client is not there any more. */
static bool send_queue(RawStream *stream)
{
	while (raw_stream_pending(stream) > 0) {
		ssize_t count =
			send(stream->fd, stream->queue.data + stream->sent, raw_stream_pending(stream), MSG_NOSIGNAL);
		if (count < 0)
			return errno == EAGAIN || errno == EINTR;
		stream->sent += count;
	}
	stream->sent = 0;
	if (stream->queue.capacity > QUEUE_KEPT)
		buffer_clear(&stream->queue);
	else
		buffer_truncate(&stream->queue, 0);
	return true;
}

/* ---- what the socket says ---- */

static void finish(RawStream *stream)
{
	void (*released)(void *, int) = stream->released;
	void *arg = stream->arg;
	int fd = released ? take_fd(&stream->fd) : -1;

	raw_stream_free(stream);
	if (released)
		released(arg, fd);
}

static void on_io(void *arg, int fd, unsigned events)
{
	RawStream *stream = arg;
	bool had_pending = raw_stream_pending(stream) > 0;

	(void)fd, (void)events;
	if (!send_queue(stream)) {
		leave(stream);
		return;
	}
	set_events(stream);
	if (!had_pending || raw_stream_pending(stream) > 0)
		return;
	if (stream->ending || stream->released)
		finish(stream);
	else
		stream->handlers.drained(stream->arg);
}

static void on_hangup(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	leave(arg);
}

/* ---- life ---- */

static fallible watch_sources(RawStream *stream, Loop *loop)
{
	struct epoll_event event = {.events = 0};

	stream->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (stream->watch_fd < 0 || epoll_ctl(stream->watch_fd, EPOLL_CTL_ADD, stream->fd, &event) < 0)
		return error_errno(errno, "could not watch a client");
	TRY(loop_watch(&stream->watch, loop, stream->watch_fd, LOOP_READ, on_hangup, stream));
	return loop_watch(&stream->io, loop, stream->fd, 0, on_io, stream);
}

fallible raw_stream_new(RawStream **ret, Loop *loop, int fd, const RawHandlers *handlers, void *arg)
{
	autoptr(RawStream) stream = mem_new(RawStream);

	stream->fd = fd;
	stream->watch_fd = -1;
	stream->handlers = *handlers;
	stream->arg = arg;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	TRY(watch_sources(stream, loop));
	*ret = take(stream);
	return NULL;
}

RawStream *raw_stream_free(RawStream *stream)
{
	if (!stream)
		return NULL;
	source_free(stream->io);
	source_free(stream->watch);
	close_fd(&stream->watch_fd);
	close_fd(&stream->fd);
	buffer_clear(&stream->queue);
	free(stream);
	return NULL;
}

void raw_stream_write(RawStream *stream, const void *data, size_t length)
{
	bool was_idle = raw_stream_pending(stream) == 0;

	buffer_add(&stream->queue, data, length);
	if (!was_idle)
		return;
	send_queue(stream); /* a client that is gone is told of by the loop, never from inside a call */
	set_events(stream);
}

size_t raw_stream_pending(const RawStream *stream)
{
	return stream->queue.length - stream->sent;
}

void raw_stream_end(RawStream *stream)
{
	stream->ending = true;
	if (raw_stream_pending(stream) == 0)
		raw_stream_free(stream);
}

void raw_stream_release(RawStream *stream, void (*released)(void *arg, int fd))
{
	stream->released = released;
	if (raw_stream_pending(stream) == 0)
		finish(stream);
}
