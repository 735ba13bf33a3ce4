// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Flat JSON objects on one line, {"name":"text",...}, as log files of containers and of OCI runtimes are made of.
 * Reading works in place and allocates nothing, so that the shim needs no JSON library. Anything that is not such an
 * object (nested values, damage) is refused whole.
 */
#include <stdbool.h>
#include <stddef.h>

typedef struct FlatField {
	const char *name;
	char *text; /* points into the line; NULL when the line has no such field; not NUL-terminated */
	size_t length;
} FlatField;

/* Strings are unescaped where they stand, so the line is used up. Numbers, true, false and null are skipped, unknown
 * names too. */
bool flat_read(FlatField *fields, size_t count, char *line, size_t length);
