// SPDX-License-Identifier: Apache-2.0
#pragma once
/* As much of MessagePack as fluentd's forward protocol takes. Source: github.com/msgpack/msgpack/blob/master/spec.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* ---- writing ---- */
void msgpack_array(Buffer *out, uint32_t count);
void msgpack_map(Buffer *out, uint32_t count);
void msgpack_text(Buffer *out, const char *text, size_t length);
void msgpack_number(Buffer *out, uint64_t number);
void msgpack_event_time(Buffer *out, uint32_t seconds, uint32_t nanos); /* fluentd's extension 0 */

/* ---- reading: a map of texts, as an acknowledgement is ---- */
typedef struct MsgpackText {
	const char *data;
	size_t length;
} MsgpackText;

/* Gives the bytes that the map takes, 0 when there are not enough of them yet, -1 when it is something else. *ret: the
 * value of that key; data NULL: it has none. */
int msgpack_read_map(MsgpackText *ret, const char *key, const void *data, size_t length);
