// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__ /* the shim is linked with musl, which keeps little */
#include <malloc.h>
#endif

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *mem_realloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *mem_array(void *p, size_t count, size_t item_size)
{
	size_t size;

	if (__builtin_mul_overflow(count, item_size, &size))
		out_of_memory();
	return mem_realloc(p, size);
}

char *mem_strdup(const char *text)
{
	return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *text, size_t length)
{
	length = strnlen(text, length);
	char *copy = mem_realloc(NULL, length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void *mem_dup(const void *data, size_t length)
{
	void *copy = mem_realloc(NULL, length);

	if (length)
		memcpy(copy, data, length);
	return copy;
}

void mem_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
