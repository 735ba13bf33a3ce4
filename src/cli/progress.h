// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The progress of a pull, push or load, from the daemon's JSON lines, or of what is told item by item. On a terminal:
 * one line for each layer with a bar, bytes and rate, drawn over; never more lines than the terminal has. Elsewhere: a
 * line for each change of state.
 * Source: moby's pkg/jsonmessage.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/cli.h"
#include "json/value.h"

enum { PROGRESS_LINES_MAX = 4096 };

typedef struct Progress Progress;

typedef struct ProgressOptions {
	FILE *out;
	int width, height; /* of the terminal; 0: none, plain lines */
	bool may_resize;   /* it is asked for its size before each drawing */
	bool has_colours;
	bool is_quiet; /* errors alone */
	int64_t (*now_ns)(void);
} ProgressOptions;

/* What fits to the file: terminal_width() and so on. */
ProgressOptions progress_options(FILE *out, bool is_quiet);
Progress *progress_new(const ProgressOptions *options);
Progress *progress_free(Progress *progress);
DEFINE_AUTOPTR(Progress, progress_free)
/* An ApiLine: takes one JSON line; the stream's own error becomes ours. */
fallible progress_line(void *progress, const Value *line);
/* total 0: nobody knows; current 0 as well: nothing to measure. */
void progress_item(Progress *progress, const char *id, const char *status, int64_t current, int64_t total);
/* Leaves the last state on the screen. */
void progress_finish(Progress *progress);
/* Leaves nothing on the screen. */
void progress_wipe(Progress *progress);
/* The whole answer of a call whose status was checked. */
fallible progress_show(HttpClient *client, FILE *out, bool is_quiet);
