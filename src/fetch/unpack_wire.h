// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedged and kedge-unpack say to each other over a Channel (fetch/channel.h). A frame's text is the numbers below
 * as they lie in memory: both ends are one machine and one version. Its payload is two texts, each with its NUL, that
 * are bytes, since names in archives need not be UTF-8.
 *
 *   kedged:       DIRECTORY (with the target's descriptor), START (with the input's), then INPUT as the input grows
 *   kedge-unpack: PROGRESS; at the end OPAQUE and DIGEST for each and then DONE, or FAILED
 *
 * The end of the connection ends kedge-unpack. kedged trusts no frame that it gets.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "fetch/channel.h"

typedef enum UnpackWord {
	UNPACK_DIRECTORY,
	UNPACK_START, /* first: path, of a copy */
	UNPACK_INPUT,
	UNPACK_PROGRESS,
	UNPACK_OPAQUE, /* first: path */
	UNPACK_DIGEST, /* first: path, second: digest */
	UNPACK_FAILED, /* first: message, second: hint or "" */
	UNPACK_DONE,   /* first: diff id */
	UNPACK_WORDS
} UnpackWord;

enum { UNPACK_WIRE_VERSION = 1, UNPACK_CHANNEL_FD = 3 };

typedef struct UnpackNumbers {
	int64_t version;
	int64_t word;
	int64_t mode, max_bytes, max_entries, max_depth, sync;                 /* START */
	int64_t available, complete;                                           /* START, INPUT */
	int64_t position;                                                      /* PROGRESS */
	int64_t bytes, entries;                                                /* DONE */
	int64_t kind;                                                          /* FAILED: ErrorKind */
	int64_t is_described, keeps_directories, is_root, has_owner, uid, gid; /* START: UnpackCopy */
} UnpackNumbers;

typedef struct UnpackMessage {
	UnpackNumbers numbers;
	const char *first, *second; /* NULL when sending: "" */
} UnpackMessage;

fallible unpack_wire_send(Channel *channel, const UnpackMessage *message, int fd);
/* The texts point into frame. */
fallible unpack_wire_parse(UnpackMessage *ret, const Frame *frame);
