// SPDX-License-Identifier: Apache-2.0
/* A log file of any bytes: reading it forwards and backwards stays within it and comes to an end, and what there is of
 * whole blocks comes out. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "fuzz.h"
#include "shim/logblock.h"
#include "shim/logtext.h"

enum { STEPS_MAX = 100000 };

static size_t read_all(LogText *text, LogPosition *position, char *room)
{
	size_t sum = 0, length, steps = 0;

	while ((length = logtext_read(text, position, room, -1))) {
		must_hold(length <= LOG_TEXT_SLICE && ++steps < STEPS_MAX);
		sum += length;
	}
	must_hold(logtext_torn_end(text, position, room) <= LOG_TEXT_SLICE);
	return sum;
}

static void read_back(LogText *text, LogPosition *position, char *room)
{
	size_t length, steps = 0;
	int64_t before = position->offset = logtext_size(text, position);

	while (position->offset && logtext_read_back(text, position, room, &length)) {
		must_hold(length <= LOG_TEXT_SLICE && position->offset < before && ++steps < STEPS_MAX);
		before = position->offset;
	}
}

/* One whole block behind the bytes, whatever they are: it is found, but for bytes that are a head for it. */
static void add_block(int fd, const uint8_t *data, size_t size)
{
	char head[LOG_BLOCK_HEAD];
	uint32_t length = (uint32_t)(size < 1000 ? size : 1000);
	LogBlock block = {.start = INT64_C(1) << 40, .length = length, .stored = length, .lines = 1};

	block.checksum = logblock_checksum(data, length);
	logblock_write(head, &block);
	must_hold(write(fd, head, sizeof(head)) == (ssize_t)sizeof(head));
	must_hold(write(fd, data, length) == (ssize_t)length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LogPosition position = {.fd = memfd_create("log", MFD_CLOEXEC)};
	autoptr(LogText) text = logtext_new("/nowhere", NULL);
	autofree char *room = mem_alloc(LOG_TEXT_SLICE);
	struct stat status;

	must_hold(write(position.fd, data, size) == (ssize_t)size && fstat(position.fd, &status) == 0);
	position.inode = status.st_ino;
	read_all(text, &position, room);
	read_back(text, &position, room);
	logtext_forget(text);
	position.offset = 0;
	if (size && logblock_is_used(position.fd)) {
		must_hold(lseek(position.fd, 0, SEEK_END) == (off_t)size);
		add_block(position.fd, data, size);
		must_hold(read_all(text, &position, room) > 0);
		read_back(text, &position, room);
	}
	logposition_clear(&position);
	return 0;
}
