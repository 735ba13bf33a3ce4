// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A program of the host (nft, iptables, firewall-cmd), run while the loop goes on: never on the way of a start. It gets
 * its input whole, and what it prints is kept. It has no time limit of its own but TOOL_LIMIT.
 */
#include "base/clock.h"
#include "base/loop.h"

#define TOOL_LIMIT (60 * NANOS_PER_SECOND)

typedef struct Tool Tool;

/* output: what it printed to standard output, NULL when it failed. May free the Tool. */
typedef void ToolHandler(void *arg, Error *take_error, const char *output);

/* argv: NULL-terminated, argv[0] is looked up in PATH; input may be NULL. An exit status other than 0 is an error with
 * the first lines of what it printed to standard error; a program that is not there is an ERROR_NOT_FOUND of
 * tool_start(). */
fallible tool_start(
	Tool **ret, Loop *loop, const char *const *argv, const char *input, ToolHandler *handler, void *arg);
Tool *tool_free(Tool *tool); /* kills it where it still runs; NULL is fine; returns NULL */
DEFINE_AUTOPTR(Tool, tool_free)
