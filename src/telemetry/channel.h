// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A connection to a receiver of logs: datagrams or a stream, with TLS or without, made without waiting. How much of
 * what was sent has arrived is asked of the kernel (SIOCOUTQ); what a receiver that died had not read is known from how
 * its kernel ended the connection (with unread bytes it is a reset).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "telemetry/address.h"

typedef struct Channel Channel;

typedef enum ChannelResult { CHANNEL_DONE, CHANNEL_LATER, CHANNEL_LOST, CHANNEL_TOO_LARGE } ChannelResult;

typedef struct ChannelOptions {
	const LogAddress *address;
	const int *tls;    /* CA, certificate, key: descriptors of PEM files, -1: none */
	bool skips_verify; /* whatever certificate it shows */
} ChannelOptions;

/* event: something may go on: it is connected, takes more, has said something, or is lost. */
fallible channel_open(Channel **ret, Loop *loop, const ChannelOptions *options, LoopHandler *event, void *arg);
Channel *channel_free(Channel *channel);
DEFINE_AUTOPTR(Channel, channel_free)

/* CHANNEL_LATER: it is being made. */
ChannelResult channel_ready(Channel *channel);
/* A datagram as a whole, of a stream as much as it takes: *ret_sent. CHANNEL_TOO_LARGE: no datagram has room for it,
 * and it is not to be tried again. */
ChannelResult channel_send(Channel *channel, const void *data, size_t length, size_t *ret_sent);
/* What it has said: 0 bytes with CHANNEL_LATER when nothing is there. */
ChannelResult channel_receive(Channel *channel, void *data, size_t size, size_t *ret_length);
void channel_want_write(Channel *channel, bool wants);

/* Still there: asked where nothing is sent. */
bool channel_is_alive(Channel *channel);
int64_t channel_unread(const Channel *channel); /* bytes (of sockets with a path: 0 or more) that it has not got */
bool channel_is_datagrams(const Channel *channel);
bool channel_was_reset(const Channel *channel);      /* it ended with unread bytes */
const char *channel_problem(const Channel *channel); /* why it is lost */
