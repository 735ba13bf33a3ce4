// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A bounded ring of buffers between one writing thread and up to RING_READERS reading threads, each of which sees every
 * byte. Nothing is copied: a buffer is free again when all readers have asked for the next one. Any thread may stop the
 * ring; nobody waits on a stopped ring.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum { RING_BUFFERS = 8, RING_BUFFER_SIZE = 256 * 1024, RING_READERS = 2 };

typedef struct Ring Ring;

typedef enum RingState { RING_DATA, RING_END, RING_STOPPED } RingState;

Ring *ring_new(unsigned readers); /* at most RING_READERS: the first ones */
Ring *ring_free(Ring *ring);
DEFINE_AUTOPTR(Ring, ring_free)

/* The writer's side: waits for a free buffer of RING_BUFFER_SIZE bytes, NULL on a stopped ring; then hands on what was
 * filled in. */
uint8_t *ring_room(Ring *ring);
void ring_fill(Ring *ring, size_t length);
void ring_end(Ring *ring);

/* A reader's side: gives its buffer back and waits for the next one. */
RingState ring_next(Ring *ring, unsigned reader, const uint8_t **ret, size_t *ret_length);

void ring_stop(Ring *ring);
