// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Bytes as the UTF-8 that text messages have to be, piece by piece: a character that comes in two pieces waits until it
 * is whole, a byte that belongs to none becomes U+FFFD. */
#include "base/buffer.h"

enum { TEXT_TAIL_MAX = 3 };

typedef struct TextTail {
	char bytes[TEXT_TAIL_MAX]; /* the beginning of a character */
	size_t length;
} TextTail;

void text_add(Buffer *out, TextTail *tail, const char *data, size_t length);
void text_end(Buffer *out, TextTail *tail); /* nothing more comes */
