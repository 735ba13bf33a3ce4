// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Keys by which somebody at a terminal leaves a container and lets it run: "ctrl-p,ctrl-q", letters and ctrl-X between
 * commas. Looked for as moby's term/proxy.go does: bytes that look like their beginning are held back, and passed on
 * with the byte that tells that they were not.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { KEYS_MAX = 64 };

typedef struct Keys {
	uint8_t bytes[KEYS_MAX];
	size_t count; /* 0: there are none to look for */
	size_t seen;  /* how many of them have come, one after the other */
} Keys;

/* NULL and "" are ctrl-p,ctrl-q. */
fallible keys_parse(Keys *ret, const char *text);
/* Copies what is not held back and gives its length; `to` has room for `length` and KEYS_MAX bytes more, and may begin
 * KEYS_MAX before `from` in the same memory. *ret_found: all keys have come, and nothing behind them is copied. */
size_t keys_pass(Keys *keys, char *to, const char *from, size_t length, bool *ret_found);
