// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What differs between two documents, for people: a line for each field, by its path ("registry.host"). A list is one
 * field. What is secret is said to differ, and not shown.
 */
#include "json/value.h"
#include "json/writer.h"

typedef struct Difference {
	char *path;
	Value *from, *to; /* NULL: not there */
} Difference;

typedef struct Differences {
	Difference *items;
	size_t count;
} Differences;

void differences_find(Differences *ret, const Value *from, const Value *to); /* either may be NULL; adds to ret */
void differences_clear(Differences *differences);
DEFINE_AUTOCLEAR(Differences, differences_clear)
void differences_write(const Differences *differences, Writer *writer, const char *key); /* [{"Field", "From", "To"}] */
