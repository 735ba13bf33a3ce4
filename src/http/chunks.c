// SPDX-License-Identifier: Apache-2.0
#include "http/chunks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	HEAD_LENGTH = 10, /* the size in hexadecimal and a line end; one length for all, so that it is filled in last */
	KEPT = 256 << 10, /* a queue that grew beyond this gives its memory back when it is empty */
};

void chunks_clear(Chunks *chunks)
{
	buffer_clear(&chunks->queue);
	*chunks = (Chunks){.is_plain = chunks->is_plain};
}

/* ---- coding ---- */

static void begin_chunk(Chunks *chunks)
{
	chunks->head = chunks->queue.length;
	chunks->is_open = true;
	buffer_add(&chunks->queue, "00000000\r\n", HEAD_LENGTH);
}

static void end_chunk(Chunks *chunks)
{
	char size[HEAD_LENGTH];

	if (!chunks->is_open)
		return;
	chunks->is_open = false;
	snprintf(size, sizeof(size), "%08zx", chunks->queue.length - chunks->head - HEAD_LENGTH);
	memcpy(chunks->queue.data + chunks->head, size, HEAD_LENGTH - 2);
	buffer_add(&chunks->queue, "\r\n", 2);
}

void chunks_add(Chunks *chunks, const void *data, size_t length)
{
	if (length == 0) /* a chunk of nothing would be the last one */
		return;
	if (!chunks->is_open && !chunks->is_plain)
		begin_chunk(chunks);
	buffer_add(&chunks->queue, data, length);
}

void chunks_add_coded(Chunks *chunks, const void *data, size_t length)
{
	end_chunk(chunks);
	buffer_add(&chunks->queue, data, length);
}

void chunks_add_last(Chunks *chunks)
{
	if (!chunks->is_plain)
		chunks_add_coded(chunks, "0\r\n\r\n", 5);
}

/* ---- sending ---- */

static void drop_sent(Chunks *chunks)
{
	Buffer *queue = &chunks->queue;

	if (chunks->sent == queue->length && queue->capacity > KEPT)
		buffer_clear(queue);
	else if (chunks->sent == queue->length)
		buffer_truncate(queue, 0);
	else if (chunks->sent > queue->length / 2)
		buffer_consume(queue, chunks->sent);
	else
		return;
	chunks->sent = 0;
}

bool chunks_send(Chunks *chunks, int fd)
{
	end_chunk(chunks);
	while (chunks_pending(chunks) > 0) {
		ssize_t count = send(
			fd, chunks->queue.data + chunks->sent, chunks_pending(chunks), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno != EAGAIN)
			return false;
		if (count < 0)
			break;
		chunks->sent += (size_t)count;
	}
	drop_sent(chunks);
	return true;
}

size_t chunks_pending(const Chunks *chunks)
{
	return chunks->queue.length - chunks->sent;
}

const char *chunks_rest(Chunks *chunks, size_t *ret_length)
{
	end_chunk(chunks);
	*ret_length = chunks_pending(chunks);
	return buffer_text(&chunks->queue) + chunks->sent;
}
