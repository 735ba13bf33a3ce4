// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The archive file, which may still be growing: another process writes it, and input_allow() says how far it may be
 * read. A pipe is read as it comes, until its end. One thread reads; others allow, stop and ask.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Input Input;

/* fd is borrowed. wake_fd: an eventfd that is written to whenever INPUT_PROGRESS_STEP more bytes were read; -1: none.
 */
enum { INPUT_PROGRESS_STEP = 512 * 1024 };
Input *input_new(int fd, int wake_fd);
Input *input_free(Input *input);
DEFINE_AUTOPTR(Input, input_free)

/* May be read up to available; complete: and that is its end. Going backwards is ignored. */
void input_allow(Input *input, int64_t available, bool complete);
/* A waiting or later read fails with ERROR_CANCELLED. */
void input_stop(Input *input);
/* Waits for bytes; 0 bytes is the end. */
fallible input_read(Input *input, void *to, size_t room, size_t *ret_length);
int64_t input_position(Input *input);
