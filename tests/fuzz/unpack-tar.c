// SPDX-License-Identifier: Apache-2.0
/* The tar reader alone: what it gives is within its promises, however the bytes arrive. */
#include <string.h>

#include "base/memory.h"
#include "fetch/unpack/tar.h"
#include "fuzz.h"

typedef struct Bytes {
	const uint8_t *data;
	size_t left;
	size_t step;
	uint8_t *run; /* a copy of its own size, so that a sanitizer sees the first byte read beyond it */
} Bytes;

static Error *next_run(void *arg, const uint8_t **ret, size_t *ret_length)
{
	Bytes *bytes = arg;
	size_t length = bytes->left < bytes->step ? bytes->left : bytes->step;

	free(bytes->run);
	bytes->run = mem_dup(bytes->data, length);
	bytes->data += length;
	bytes->left -= length;
	*ret = bytes->run;
	*ret_length = length;
	return NULL;
}

static void check_entry(const TarEntry *entry)
{
	must_hold(entry->type < TAR_TYPES && entry->mode <= 07777 && entry->size >= 0);
	must_hold(strlen(entry->path) <= TAR_NAME_MAX && strlen(entry->link) <= TAR_NAME_MAX);
	must_hold(entry->uid != UINT32_MAX && entry->gid != UINT32_MAX);
	must_hold(entry->mtime.tv_nsec >= 0 && entry->mtime.tv_nsec < 1000000000);
	must_hold(
		entry->xattr_count <= TAR_XATTRS_MAX && entry->device_major <= 0xfff && entry->device_minor <= 0xfffff);
	for (size_t i = 0; i < entry->xattr_count; i++)
		free(mem_dup(entry->xattrs[i].value, entry->xattrs[i].length));
}

static Error *read_content(TarReader *reader, const TarEntry *entry, int64_t max)
{
	const uint8_t *run = NULL;
	size_t length = 0;
	int64_t offset = 0, end = 0;

	do {
		Error *error = tar_data(reader, &run, &length, &offset);
		if (error)
			return error;
		must_hold(length == 0 || (offset >= end && offset <= entry->size - (int64_t)length));
		end = length ? offset + (int64_t)length : end;
	} while (length > 0 && end < max);
	return NULL;
}

static void read_all(const uint8_t *data, size_t size, size_t step, int64_t max)
{
	Bytes bytes = {data, size, step, NULL};
	TarSource source = {next_run, &bytes};
	autoptr(TarReader) reader = tar_new(&source);
	const TarEntry *entry = NULL;
	Error *error;

	while (!(error = tar_next(reader, &entry)) && entry) {
		check_entry(entry);
		must_hold(tar_path(reader) == entry->path);
		if ((error = read_content(reader, entry, max)))
			break;
	}
	must_hold(tar_offset(reader) <= (int64_t)size);
	error_free(error);
	free(bytes.run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size, 262144, INT64_MAX);
	read_all(data, size, 100, 1);
	return 0;
}
