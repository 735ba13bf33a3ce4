// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "fetch/unpack/ring.h"

/* Positions count buffers since the start; a buffer's place is its position modulo RING_BUFFERS. */
struct Ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned readers;
	uint64_t written;
	uint64_t taken[RING_READERS];    /* handed to the reader */
	uint64_t released[RING_READERS]; /* given back by it */
	size_t lengths[RING_BUFFERS];
	bool ended;
	bool stopped;
	uint8_t *buffers;
};

Ring *ring_new(unsigned readers)
{
	Ring *ring = mem_new(Ring);

	ring->readers = readers;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->changed, NULL);
	ring->buffers = mem_realloc(NULL, (size_t)RING_BUFFERS * RING_BUFFER_SIZE);
	return ring;
}

Ring *ring_free(Ring *ring)
{
	if (!ring)
		return NULL;
	pthread_cond_destroy(&ring->changed);
	pthread_mutex_destroy(&ring->lock);
	free(ring->buffers);
	free(ring);
	return NULL;
}

static bool is_full(const Ring *ring)
{
	for (unsigned i = 0; i < ring->readers; i++)
		if (ring->written - ring->released[i] >= RING_BUFFERS)
			return true;
	return false;
}

uint8_t *ring_room(Ring *ring)
{
	uint8_t *room = NULL;

	pthread_mutex_lock(&ring->lock);
	while (!ring->stopped && is_full(ring))
		pthread_cond_wait(&ring->changed, &ring->lock);
	if (!ring->stopped)
		room = ring->buffers + ring->written % RING_BUFFERS * RING_BUFFER_SIZE;
	pthread_mutex_unlock(&ring->lock);
	return room;
}

void ring_fill(Ring *ring, size_t length)
{
	pthread_mutex_lock(&ring->lock);
	ring->lengths[ring->written % RING_BUFFERS] = length;
	ring->written++;
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

void ring_end(Ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	ring->ended = true;
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

static RingState take_next(Ring *ring, unsigned reader, const uint8_t **ret, size_t *ret_length)
{
	uint64_t position = ring->taken[reader];

	if (ring->stopped)
		return RING_STOPPED;
	if (position == ring->written)
		return RING_END;
	*ret = ring->buffers + position % RING_BUFFERS * RING_BUFFER_SIZE;
	*ret_length = ring->lengths[position % RING_BUFFERS];
	ring->taken[reader]++;
	return RING_DATA;
}

RingState ring_next(Ring *ring, unsigned reader, const uint8_t **ret, size_t *ret_length)
{
	RingState state;

	pthread_mutex_lock(&ring->lock);
	if (ring->released[reader] != ring->taken[reader]) {
		ring->released[reader] = ring->taken[reader];
		pthread_cond_broadcast(&ring->changed);
	}
	while (!ring->stopped && !ring->ended && ring->taken[reader] == ring->written)
		pthread_cond_wait(&ring->changed, &ring->lock);
	state = take_next(ring, reader, ret, ret_length);
	pthread_mutex_unlock(&ring->lock);
	return state;
}

void ring_stop(Ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	ring->stopped = true;
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}
