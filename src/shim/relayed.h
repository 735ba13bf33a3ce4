// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which of the held sockets are relayed, and to which ports of the container, in words: "3:80" is the fourth of them,
 * to port 80; "3-6:80" is four of them, to ports 80 to 83.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"

typedef struct Relayed {
	size_t first, last;
	uint16_t port; /* of the first */
} Relayed;

fallible relayed_parse(Relayed *ret, const char *word, size_t held_count);
/* Adds the words: `ports` has one for each held socket, 0: not relayed. Neighbours share a word. */
void relayed_write(StringList *ret, const uint16_t *ports, size_t held_count);
bool relayed_is_stream(int fd); /* else it is for datagrams */
