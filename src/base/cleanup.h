// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Scope-bound ownership: a variable marked auto* releases what it holds when its scope ends; take() hands
 * the thing on. No goto is needed. Types that want autoptr(T) say DEFINE_AUTOPTR(T, t_free) in their header.
 */
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define autofree __attribute__((cleanup(cleanup_free_)))
#define autofd __attribute__((cleanup(cleanup_close_))) int

#define autoptr(T) __attribute__((cleanup(cleanup_##T##_))) T *

/* free_function takes T *, accepts NULL; its result is ignored. */
#define DEFINE_AUTOPTR(T, free_function)                                                                               \
	static inline __attribute__((unused)) void cleanup_##T##_(T **p)                                               \
	{                                                                                                              \
		if (*p)                                                                                                \
			(void)free_function(*p);                                                                       \
	}

/* For structs by value: `autoclear(Buffer) b = {0};` calls clear_function(&b). */
#define autoclear(T) __attribute__((cleanup(cleanup_clear_##T##_))) T

#define DEFINE_AUTOCLEAR(T, clear_function)                                                                            \
	static inline __attribute__((unused)) void cleanup_clear_##T##_(T *p)                                          \
	{                                                                                                              \
		clear_function(p);                                                                                     \
	}

/* Gives the value of a pointer variable and sets the variable to NULL. */
#define take(pointer)                                                                                                  \
	({                                                                                                             \
		__typeof__(pointer) *take_at_ = &(pointer);                                                            \
		__typeof__(pointer) take_value_ = *take_at_;                                                           \
		*take_at_ = NULL;                                                                                      \
		take_value_;                                                                                           \
	})

/* The same for file descriptors: leaves -1 behind. */
static inline int take_fd(int *fd)
{
	int value = *fd;
	*fd = -1;
	return value;
}

/* Closes *fd if it is open and leaves -1. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
