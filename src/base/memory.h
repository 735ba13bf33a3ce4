// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Allocation that cannot fail: without memory the program says so and aborts, which invariant 1 makes safe
 * (kedged may die at any instant). Sizes that come from outside are bounded before they get here.
 */
#include <stdbool.h>
#include <stddef.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0])) /* of an array, not of a pointer */

void *mem_alloc(size_t size); /* zeroed; size 0 gives a valid pointer */
void *mem_realloc(void *p, size_t size);
void *mem_array(void *p, size_t count, size_t item_size); /* realloc with overflow check */
char *mem_strdup(const char *text);                       /* NULL gives NULL */
char *mem_strndup(const char *text, size_t length);
void *mem_dup(const void *data, size_t length);
void mem_trim(void); /* gives freed memory back to the system */

#define mem_new(T) ((T *)mem_alloc(sizeof(T)))
