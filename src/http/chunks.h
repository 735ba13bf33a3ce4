// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A body in chunks on its way to a socket that does not block. What is added between two sends becomes one chunk, so
 * that many small pieces cost one call. Coded bytes that the socket did not take yet are what a successor has to send
 * first, before it goes on with chunks of its own. Source: RFC 9112, section 7.1.
 */
#include "base/buffer.h"

typedef struct Chunks {
	Buffer queue; /* coded */
	size_t sent;  /* bytes at its front */
	size_t head;  /* of the chunk that still grows, if is_open */
	bool is_open;
	bool is_plain; /* uncoded, for a client of HTTP/1.0: the connection's end is the body's */
} Chunks;

void chunks_clear(Chunks *chunks);
void chunks_add(Chunks *chunks, const void *data, size_t length);
void chunks_add_coded(Chunks *chunks, const void *data, size_t length);
void chunks_add_last(Chunks *chunks); /* nothing may follow */
/* As much as the socket takes; false: the client is not there any more. */
bool chunks_send(Chunks *chunks, int fd);
size_t chunks_pending(const Chunks *chunks);
/* What is pending, coded; valid until something is added. */
const char *chunks_rest(Chunks *chunks, size_t *ret_length);
