// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fetch/unpack/content.h"

enum { WRITEBACK_STEP = 8 << 20 };

Error *content_error(int errno_value, const char *what)
{
	Error *error = error_errno(errno_value, "%s", what);

	if (errno_value != ENOSPC && errno_value != EDQUOT)
		return error;
	return error_hint(error, "free space on the file system and try again");
}

static fallible write_run(int file, const uint8_t *run, size_t length, int64_t offset)
{
	while (length > 0) {
		ssize_t written = pwrite(file, run, length, offset);
		if (written < 0 && errno != EINTR)
			return content_error(errno, "could not write");
		if (written < 0)
			continue;
		run += written;
		length -= (size_t)written;
		offset += written;
	}
	return NULL;
}

/* Only a start: it does not wait, and what it says is said again by the sync. */
static void start_writeback(int file, int64_t *from, int64_t to)
{
	if (to - *from < WRITEBACK_STEP)
		return;
	(void)sync_file_range(file, *from, to - *from, SYNC_FILE_RANGE_WRITE);
	*from = to;
}

Error *content_write(int file, TarReader *reader, const TarEntry *entry, ContentDisk disk, Hash *hash)
{
	const uint8_t *run = NULL;
	size_t length = 0;
	int64_t offset = 0, started = 0;

	if (entry->sparse && ftruncate(file, entry->size) < 0)
		return content_error(errno, "could not set the size");
	for (;;) {
		TRY(tar_data(reader, &run, &length, &offset));
		if (length == 0)
			return NULL;
		if (hash)
			hash_add(hash, run, length);
		TRY(write_run(file, run, length, offset));
		if (disk == CONTENT_SENT)
			start_writeback(file, &started, offset + (int64_t)length);
	}
}
