// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Frames over a stream socket between kedged and one of its jailed helpers: a JSON text, optional raw bytes behind it,
 * and at most one descriptor. On the wire: two 32-bit little-endian lengths (text, payload), then the two; the
 * descriptor travels with the frame's first byte (SCM_RIGHTS). Sending queues what the socket does not take; the owner
 * watches channel_fd() for writing while channel_is_pending(). Both limits bound what the other side can make us keep.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

enum { CHANNEL_TEXT_MAX = 4 << 20, CHANNEL_PAYLOAD_MAX = 16 << 20, CHANNEL_FDS_MAX = 1024 };

typedef struct Channel Channel;

typedef struct Frame {
	char *text; /* NUL-terminated */
	size_t text_length;
	char *payload; /* NUL-terminated; NULL when empty */
	size_t payload_length;
} Frame;

Channel *channel_new(int take_socket); /* becomes non-blocking and close-on-exec */
Channel *channel_free(Channel *channel);
DEFINE_AUTOPTR(Channel, channel_free)

int channel_fd(const Channel *channel);

/* payload may be NULL; fd is duplicated when the frame has to wait, -1: none. An error means that the other side is
 * gone. */
fallible channel_send(
	Channel *channel, const char *text, size_t text_length, const char *payload, size_t payload_length, int fd);
fallible channel_flush(Channel *channel);
bool channel_is_pending(const Channel *channel);
size_t channel_pending_bytes(const Channel *channel);

typedef enum ChannelState { CHANNEL_FRAME, CHANNEL_EMPTY, CHANNEL_ENDED } ChannelState;

/* One frame; CHANNEL_EMPTY: would block; CHANNEL_ENDED: the other side closed. Call until it is not CHANNEL_FRAME. */
fallible channel_receive(Channel *channel, Frame *ret, ChannelState *ret_state);
int channel_take_fd(Channel *channel); /* the oldest descriptor that came and was not taken, or -1 */

void frame_clear(Frame *frame);
DEFINE_AUTOCLEAR(Frame, frame_clear)
