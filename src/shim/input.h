// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The standard input of the container, or of one command in it: a pipe's write end, or a terminal. At most one piece is
 * held until the program takes it; meanwhile nothing is read from any client, so that a program that reads slowly holds
 * its clients back as a pipe of their own would.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum { INPUT_MEMORY = 64 * 1024 };

typedef struct Input {
	int fd;     /* -1: none, or no more: what comes is dropped */
	char *data; /* lent: INPUT_MEMORY bytes */
	size_t start, end;
	bool is_expected; /* fd is still to come: what comes is held */
	bool is_ending;   /* closed as soon as what is held has been taken */
} Input;

void input_init(Input *input, char *memory);
void input_expect(Input *input);
void input_open(Input *input, int fd); /* made non-blocking, and the input's own */
bool input_holds(const Input *input);  /* then nothing more may be put */
/* Where the next piece may be put, INPUT_MEMORY bytes; input_put() says how many it became. */
char *input_room(Input *input);
void input_put(Input *input, size_t length);
/* Behind what is held, if anything is; false: there is no room for it. */
bool input_add(Input *input, const char *data, size_t length);
void input_flush(Input *input);        /* as far as the program takes it */
void input_end(Input *input);          /* after what is held */
void input_close(Input *input);        /* at once */
size_t input_tidy(const Input *input); /* how much of its memory, from the beginning, it cannot do without now */
