// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A fuzz target: gives the parser any bytes, and aborts where a promise of the parser does not hold. Linked with
 * libFuzzer (meson option fuzz), or with replay.c, which feeds it the files of its corpus.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must_hold(condition)                                                                                           \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)
