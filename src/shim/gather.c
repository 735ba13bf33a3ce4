// SPDX-License-Identifier: Apache-2.0
#include "shim/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "shim/logline.h"

#define NEW_NAME LOG_GATHERED_NAME ".new"

/* A window of 8 kB: lines of a log are like those just before them, and the state takes 70 kB. */
enum { WINDOW_BITS = 13, MEMORY_LEVEL = 6, LEVEL = 6 };

static bool failed(Gather *gather)
{
	gather->problem = errno ? errno : ENOSPC;
	return false;
}

/* ---- compressing ---- */

typedef struct Arena {
	char *at, *end;
} Arena;

static void *arena_take(void *opaque, uInt count, uInt size)
{
	Arena *arena = opaque;
	size_t length = ((size_t)count * size + 15) & ~(size_t)15;

	if (length > (size_t)(arena->end - arena->at))
		return NULL;
	arena->at += length;
	return arena->at - length;
}

static void arena_give(void *opaque, void *memory)
{
	(void)opaque, (void)memory; /* it goes as a whole */
}

/* 0: it did not become smaller. */
static size_t compress_text(Gather *gather, char *to, const char *text, size_t length)
{
	Arena arena = {gather->memory, gather->memory + DEFLATE_MEMORY};
	z_stream stream = {.zalloc = arena_take,
		.zfree = arena_give,
		.opaque = &arena,
		.next_in = (Bytef *)text,
		.avail_in = (uInt)length,
		.next_out = (Bytef *)to,
		.avail_out = (uInt)length - 1};

	if (deflateInit2(&stream, LEVEL, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	return deflate(&stream, Z_FINISH) == Z_STREAM_END ? stream.total_out : 0;
}

/* ---- blocks ---- */

static bool write_whole(Gather *gather, int log_fd, const char *data, size_t length)
{
	struct stat status;

	if (fstat(log_fd, &status) < 0)
		return failed(gather);
	errno = 0;
	ssize_t count = write(log_fd, data, length);
	if (count == (ssize_t)length)
		return true;
	failed(gather);
	/* When even this fails a torn block stays, which readers leave out. */
	return count > 0 && ftruncate(log_fd, status.st_size) < 0 ? failed(gather) : false;
}

static bool write_block(Gather *gather, int log_fd, const char *text, size_t length)
{
	char *head = gather->memory + DEFLATE_MEMORY, *data = head + LOG_BLOCK_HEAD;
	size_t packed = gather->compresses ? compress_text(gather, data, text, length) : 0;
	LogBlock block = {.start = gather->start,
		.wall_ns = clock_wall_ns(),
		.length = (uint32_t)length,
		.stored = (uint32_t)(packed ? packed : length),
		.lines = (uint32_t)logline_count(text, length),
		.is_deflated = packed};

	if (!packed)
		memcpy(data, text, length);
	block.checksum = logblock_checksum(data, block.stored);
	logblock_write(head, &block);
	if (!write_whole(gather, log_fd, head, LOG_BLOCK_HEAD + block.stored))
		return false;
	gather->start += (int64_t)length;
	return true;
}

/* ---- what is gathered ---- */

static void forget(Gather *gather)
{
	unlinkat(gather->directory, LOG_GATHERED_NAME, 0);
	close_fd(&gather->fd);
	gather->held = 0;
}

bool gather_spill(Gather *gather, int log_fd)
{
	size_t size = sizeof(LogGathered) + (size_t)gather->held;

	if (!gather->held)
		return true;
	gather->due_ns = clock_monotonic_ns() + GATHER_NS; /* of the next try, if this one fails */
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, gather->fd, 0);
	if (map == MAP_FAILED)
		return failed(gather);
	bool is_written = write_block(gather, log_fd, map + sizeof(LogGathered), (size_t)gather->held);
	munmap(map, size);
	/* In this order: a reader that finds them here no more finds them in the block. */
	if (is_written)
		forget(gather);
	return is_written;
}

/* Readers find it with its first lines or not at all. */
static bool begin_gathering(Gather *gather, const char *text, size_t length)
{
	LogGathered head = {gather->file, gather->start};
	struct iovec parts[] = {{&head, sizeof(head)}, {(void *)text, length}};
	autofd fd = openat(
		gather->directory, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	errno = fd < 0 ? errno : 0;
	if (fd < 0 || writev(fd, parts, 2) != (ssize_t)(sizeof(head) + length) ||
		renameat(gather->directory, NEW_NAME, gather->directory, LOG_GATHERED_NAME) < 0) {
		failed(gather);
		unlinkat(gather->directory, NEW_NAME, 0);
		return false;
	}
	gather->fd = take_fd(&fd);
	gather->due_ns = clock_monotonic_ns() + GATHER_NS;
	return true;
}

static bool go_on_gathering(Gather *gather, const char *text, size_t length)
{
	errno = 0;
	if (write(gather->fd, text, length) == (ssize_t)length)
		return true;
	failed(gather);
	if (ftruncate(gather->fd, (off_t)sizeof(LogGathered) + gather->held) < 0)
		failed(gather);
	return false;
}

static bool hold(Gather *gather, const char *text, size_t length)
{
	if (gather->is_ending || gather->held + (int64_t)length > LOG_BLOCK_MAX)
		return false;
	if (!(gather->held ? go_on_gathering(gather, text, length) : begin_gathering(gather, text, length)))
		return false;
	gather->held += (int64_t)length;
	return true;
}

bool gather_add(Gather *gather, int log_fd, const char *text, size_t length)
{
	gather->problem = ENOSPC;
	if (gather->held + (int64_t)length > LOG_BLOCK_MAX)
		(void)gather_spill(gather, log_fd); /* whether there is room is seen below */
	if (!hold(gather, text, length))
		return gather_spill(gather, log_fd) && write_block(gather, log_fd, text, length);
	if (gather->held >= GATHER_BYTES)
		(void)gather_spill(gather, log_fd); /* else they stay, and it is tried again */
	return true;
}

/* ---- beginning ---- */

/* What is behind the last whole block was torn by a power cut, or with the shim. */
static int64_t find_end(Gather *gather, int log_fd, int64_t size)
{
	int64_t end = LOG_BLOCKS_BEGIN;
	LogBlock block;

	gather->start = 0;
	while (logblock_find(&block, log_fd, end, size)) {
		end = logblock_end(&block);
		gather->start = block.start + block.length;
	}
	return end;
}

/* A write that was cut by a kill has left a part of a line. */
static size_t whole_lines(const char *text, int64_t length)
{
	const char *last = length > 0 ? memrchr(text, '\n', (size_t)length) : NULL;

	return last ? (size_t)(last + 1 - text) : 0;
}

/* Those that are in a block already are known by where they began. */
static bool take_lines(Gather *gather, int log_fd, const char *map, int64_t length)
{
	LogGathered head;

	memcpy(&head, map, sizeof(head));
	size_t whole = whole_lines(map + sizeof(head), length);
	if (!whole || whole > LOG_BLOCK_MAX || (head.file == gather->file && head.start < gather->start))
		return true;
	return write_block(gather, log_fd, map + sizeof(head), whole);
}

/* Of a shim that was killed. False: they cannot be written now, and stay. */
static bool take_over(Gather *gather, int log_fd, int directory)
{
	autofd fd = openat(directory, LOG_GATHERED_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;

	if (fd < 0)
		return true;
	if (fstat(fd, &status) < 0)
		return failed(gather);
	if (status.st_size > (off_t)sizeof(LogGathered)) {
		char *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return failed(gather);
		bool is_taken = take_lines(gather, log_fd, map, status.st_size - (int64_t)sizeof(LogGathered));
		munmap(map, (size_t)status.st_size);
		if (!is_taken)
			return false;
	}
	unlinkat(directory, LOG_GATHERED_NAME, 0);
	return true;
}

bool gather_open(Gather *gather, int log_fd, int state)
{
	struct stat status;

	close_fd(&gather->fd);
	gather->held = gather->start = 0;
	if (fstat(log_fd, &status) < 0)
		return false;
	gather->file = status.st_ino;
	if (status.st_size == 0) {
		if (!write_whole(gather, log_fd, LOG_BLOCKS_MAGIC, LOG_BLOCKS_BEGIN))
			return false;
	} else {
		int64_t end = find_end(gather, log_fd, status.st_size);
		if (end < status.st_size && ftruncate(log_fd, end) < 0)
			return failed(gather);
	}
	return take_over(gather, log_fd, state) && take_over(gather, log_fd, gather->directory);
}
