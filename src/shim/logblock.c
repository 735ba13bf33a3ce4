// SPDX-License-Identifier: Apache-2.0
#include "shim/logblock.h"

#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define START_MAX (INT64_C(1) << 56) /* no sum with it overflows */

enum { SCAN = 16 * 1024, IS_DEFLATED = 1 };

static const char magic[4] = {'\xb1', 'k', 'l', '1'};

typedef struct Head {
	char magic[4];
	uint32_t checksum; /* of what follows in the head */
	int64_t start, wall_ns;
	uint32_t length, stored, lines, data_checksum, flags, reserved;
} Head;

_Static_assert(sizeof(Head) == LOG_BLOCK_HEAD, "a head has no gaps");

uint32_t logblock_checksum(const void *data, size_t length)
{
	return (uint32_t)crc32(0, data, (uInt)length);
}

static uint32_t checksum_of(const Head *head)
{
	return logblock_checksum(&head->start, sizeof(*head) - offsetof(Head, start));
}

void logblock_write(char to[LOG_BLOCK_HEAD], const LogBlock *block)
{
	Head head = {.start = block->start,
		.wall_ns = block->wall_ns,
		.length = block->length,
		.stored = block->stored,
		.lines = block->lines,
		.data_checksum = block->checksum,
		.flags = block->is_deflated ? IS_DEFLATED : 0};

	memcpy(head.magic, magic, sizeof(magic));
	head.checksum = checksum_of(&head);
	memcpy(to, &head, sizeof(head));
}

static bool read_head(LogBlock *ret, const char *from, int64_t at, int64_t size)
{
	Head head;

	memcpy(&head, from, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 || head.checksum != checksum_of(&head))
		return false;
	*ret = (LogBlock){at, head.start, head.wall_ns, head.length, head.stored, head.lines, head.data_checksum,
		head.flags & IS_DEFLATED};
	return head.start >= 0 && head.start <= START_MAX && head.length && head.length <= LOG_BLOCK_MAX &&
	       head.stored <= LOG_BLOCK_MAX && (head.flags & IS_DEFLATED || head.stored == head.length) &&
	       logblock_end(ret) <= size;
}

int64_t logblock_end(const LogBlock *block)
{
	return block->at + LOG_BLOCK_HEAD + block->stored;
}

/* What looks like a head behind damage is one only if its checksum says so. */
static bool search(LogBlock *ret, const char *text, size_t length, int64_t at, int64_t size)
{
	const char *end = text + length, *found = text;

	while ((found = memmem(found, (size_t)(end - found), magic, sizeof(magic)))) {
		if (end - found < LOG_BLOCK_HEAD)
			return false; /* it is looked at with the next piece */
		if (read_head(ret, found, at + (found - text), size))
			return true;
		found++;
	}
	return false;
}

bool logblock_find(LogBlock *ret, int fd, int64_t at, int64_t size)
{
	char text[SCAN];
	ssize_t length = pread(fd, text, LOG_BLOCK_HEAD, at);

	if (length == LOG_BLOCK_HEAD && read_head(ret, text, at, size))
		return true;
	for (; (length = pread(fd, text, sizeof(text), at)) >= LOG_BLOCK_HEAD; at += length - LOG_BLOCK_HEAD + 1)
		if (search(ret, text, (size_t)length, at, size))
			return true;
	return false;
}

bool logblock_is_used(int fd)
{
	char text[LOG_BLOCKS_BEGIN];

	return pread(fd, text, sizeof(text), 0) == (ssize_t)sizeof(text) &&
	       memcmp(text, LOG_BLOCKS_MAGIC, sizeof(text)) == 0;
}
