// SPDX-License-Identifier: Apache-2.0
#include "shim/logtext.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/files.h"
#include "base/memory.h"
#include "shim/logblock.h"
#include "shim/logline.h"

enum { NONE = -1, PLACES = 2 };

typedef enum Form { UNKNOWN, LINES, BLOCKS } Form;

struct LogText {
	char *gathered[PLACES]; /* paths; NULL: there is none */
	ino_t inode;            /* of the file that the blocks are of; 0: none yet */
	Form form;
	LogBlock *blocks;
	size_t count, room;
	int64_t scanned; /* up to where in the file */
	char *text;      /* of one block; NULL: nothing was unpacked */
	ssize_t unpacked;
	bool is_damaged; /* that block */
};

LogText *logtext_new(const char *state_dir, const char *run_dir)
{
	LogText *text = mem_new(LogText);

	text->gathered[0] = run_dir ? path_join(run_dir, LOG_GATHERED_NAME) : NULL;
	text->gathered[1] = path_join(state_dir, LOG_GATHERED_NAME);
	text->unpacked = NONE;
	return text;
}

LogText *logtext_free(LogText *text)
{
	if (!text)
		return NULL;
	for (size_t i = 0; i < PLACES; i++)
		free(text->gathered[i]);
	free(text->blocks);
	free(text->text);
	free(text);
	return NULL;
}

/* ---- blocks of the file ---- */

static void add_block(LogText *text, const LogBlock *block)
{
	if (text->count == text->room) {
		text->room = text->room ? 2 * text->room : 64;
		text->blocks = mem_array(text->blocks, text->room, sizeof(LogBlock));
	}
	text->blocks[text->count++] = *block;
}

static int64_t end_of_blocks(const LogText *text)
{
	const LogBlock *last = text->count ? &text->blocks[text->count - 1] : NULL;

	return last ? last->start + last->length : 0;
}

void logtext_forget(LogText *text)
{
	text->inode = 0;
	text->form = UNKNOWN;
	text->count = 0;
	text->unpacked = NONE;
	text->scanned = 0;
}

/* One whose beginning is damaged is known by its blocks. */
static Form form_of(int fd, int64_t size)
{
	LogBlock block;
	char first;

	if (pread(fd, &first, 1, 0) != 1)
		return UNKNOWN;
	return logblock_is_used(fd) || (first != '{' && logblock_find(&block, fd, 0, size)) ? BLOCKS : LINES;
}

/* Also what was written since the last look. */
static bool look(LogText *text, const LogPosition *position)
{
	int64_t size = logposition_size(position);
	LogBlock block;

	if (position->inode != text->inode)
		logtext_forget(text);
	text->inode = position->inode;
	if (text->form == UNKNOWN && (text->form = form_of(position->fd, size)) == BLOCKS)
		text->scanned = LOG_BLOCKS_BEGIN;
	while (text->form == BLOCKS && size > text->scanned &&
		logblock_find(&block, position->fd, text->scanned, size)) {
		text->scanned = logblock_end(&block);
		if (block.start >= end_of_blocks(text))
			add_block(text, &block);
	}
	return text->form == BLOCKS;
}

/* The one that has this offset or is the next one behind it; NONE: there is none. */
static ssize_t find_block(const LogText *text, int64_t offset)
{
	size_t low = 0, high = text->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (text->blocks[middle].start + text->blocks[middle].length <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < text->count ? (ssize_t)low : NONE;
}

static bool inflate_text(char *to, size_t length, char *data, size_t stored)
{
	z_stream stream = {
		.next_in = (Bytef *)data, .avail_in = (uInt)stored, .next_out = (Bytef *)to, .avail_out = (uInt)length};

	if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
		return false;
	int result = inflate(&stream, Z_FINISH);
	bool is_whole = result == Z_STREAM_END && stream.total_out == length;
	inflateEnd(&stream);
	return is_whole;
}

static bool read_block(LogText *text, int fd, const LogBlock *block)
{
	autofree char *data = mem_alloc(block->stored ? block->stored : 1);

	if (pread(fd, data, block->stored, block->at + LOG_BLOCK_HEAD) != (ssize_t)block->stored ||
		logblock_checksum(data, block->stored) != block->checksum)
		return false;
	if (block->is_deflated)
		return inflate_text(text->text, block->length, data, block->stored);
	memcpy(text->text, data, block->length);
	return true;
}

/* False: it is damaged. */
static bool unpack(LogText *text, int fd, ssize_t index)
{
	if (text->unpacked != index) {
		text->text = text->text ? text->text : mem_alloc(LOG_BLOCK_MAX);
		text->unpacked = index;
		text->is_damaged = !read_block(text, fd, &text->blocks[index]);
	}
	return !text->is_damaged;
}

/* ---- damage ---- */

static size_t write_note(char *to, const char *what, int64_t wall_ns)
{
	char message[160];
	int length =
		snprintf(message, sizeof(message), "kedge: %s of this log cannot be read: its file is damaged", what);
	LogEntry note = {LOG_STDERR, wall_ns, message, (size_t)length, true};

	return logline_write(to, &note);
}

static size_t note_lines(char *to, const LogBlock *block)
{
	char what[64];

	snprintf(what, sizeof(what), "%" PRIu32 " line%s", block->lines, block->lines == 1 ? "" : "s");
	return write_note(to, what, block->wall_ns);
}

/* How many lines, nobody can tell: their heads are gone, too. */
static size_t note_gap(const LogText *text, char *to, int64_t bytes, ssize_t next)
{
	const LogBlock *near = next != NONE ? &text->blocks[next] : text->count ? &text->blocks[text->count - 1] : NULL;
	char what[64];

	snprintf(what, sizeof(what), "%" PRId64 " bytes", bytes);
	return write_note(to, what, near ? near->wall_ns : 0);
}

size_t logtext_torn_end(LogText *text, const LogPosition *position, char *to)
{
	int64_t rest = look(text, position) ? logposition_size(position) - text->scanned : 0;

	return rest > 0 ? note_gap(text, to, rest, NONE) : 0;
}

/* ---- lines that are in no block ---- */

/* Which file's, and from where on: those of another one are of no use. */
static int open_gathered(const LogText *text, LogGathered *ret, int64_t *ret_length)
{
	for (size_t i = 0; i < PLACES; i++) {
		autofd fd = text->gathered[i] ? open(text->gathered[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
					      : -1;
		struct stat status;
		if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
			pread(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret) || ret->file != text->inode)
			continue;
		*ret_length = status.st_size - (int64_t)sizeof(*ret);
		return take_fd(&fd);
	}
	return -1;
}

static size_t read_gathered(const LogText *text, int64_t offset, char *to, size_t size)
{
	LogGathered head;
	int64_t length;
	autofd fd = open_gathered(text, &head, &length);

	if (fd < 0 || offset < head.start || offset >= head.start + length)
		return 0;
	ssize_t count = pread(fd, to, size, (off_t)sizeof(head) + offset - head.start);
	return count > 0 ? (size_t)count : 0;
}

static int64_t end_of_gathered(const LogText *text)
{
	LogGathered head;
	int64_t length;
	autofd fd = open_gathered(text, &head, &length);

	return fd < 0 ? 0 : head.start + length;
}

/* ---- reading ---- */

/* Gathered lines first: those that have got into a block since are counted with that. */
int64_t logtext_size(LogText *text, const LogPosition *position)
{
	if (!look(text, position))
		return logposition_size(position);
	int64_t gathered = end_of_gathered(text);
	look(text, position);
	int64_t size = end_of_blocks(text);
	return gathered > size ? gathered : size;
}

static size_t wanted(int64_t offset, int64_t until)
{
	if (until < 0 || until - offset > LOG_TEXT_SLICE)
		return LOG_TEXT_SLICE;
	return until > offset ? (size_t)(until - offset) : 0;
}

static size_t read_plain(LogPosition *position, char *to, size_t size)
{
	if (logposition_size(position) < position->offset)
		position->offset = 0; /* somebody emptied it */
	ssize_t count = pread(position->fd, to, size, position->offset);
	if (count <= 0)
		return 0;
	position->offset += count;
	return (size_t)count;
}

static size_t read_in_block(LogText *text, LogPosition *position, char *to, size_t size, ssize_t index)
{
	const LogBlock *block = &text->blocks[index];
	int64_t from = position->offset - block->start;

	if (from < 0) {
		position->offset = block->start;
		return note_gap(text, to, -from, index);
	}
	if (!unpack(text, position->fd, index)) {
		position->offset = block->start + block->length;
		return note_lines(to, block);
	}
	if (size > block->length - (size_t)from)
		size = block->length - (size_t)from;
	memcpy(to, text->text + from, size);
	position->offset += (int64_t)size;
	return size;
}

size_t logtext_read(LogText *text, LogPosition *position, char *to, int64_t until)
{
	size_t size = wanted(position->offset, until);

	if (!size)
		return 0;
	if (!look(text, position))
		return read_plain(position, to, size);
	ssize_t index = find_block(text, position->offset);
	size_t count = index == NONE ? read_gathered(text, position->offset, to, size) : 0;
	if (index == NONE && !count) { /* they may have got into a block between the two looks */
		look(text, position);
		index = find_block(text, position->offset);
	}
	if (index != NONE)
		return read_in_block(text, position, to, size, index);
	position->offset += (int64_t)count;
	return count;
}

/* ---- reading backwards ---- */

/* Up to the beginning of the gathered lines, which are behind all blocks. False: they are not there any more. */
static bool back_gathered(const LogText *text, LogPosition *position, char *to, size_t *ret_length)
{
	int64_t end = position->offset, start = end_of_blocks(text);

	start = end - start > LOG_TEXT_SLICE ? end - LOG_TEXT_SLICE : start;
	*ret_length = (size_t)(end - start);
	if (read_gathered(text, start, to, *ret_length) != *ret_length)
		return false;
	position->offset = start;
	return true;
}

static size_t back_in_block(LogText *text, LogPosition *position, char *to, ssize_t index)
{
	const LogBlock *block = &text->blocks[index];
	int64_t end = position->offset, from = end - LOG_TEXT_SLICE;
	int64_t before = index ? block[-1].start + block[-1].length : 0;

	if (end <= block->start || !unpack(text, position->fd, index)) {
		position->offset = end <= block->start ? before : block->start;
		return 0;
	}
	position->offset = from > block->start ? from : block->start;
	memcpy(to, text->text + (position->offset - block->start), (size_t)(end - position->offset));
	return (size_t)(end - position->offset);
}

static bool back_plain(LogPosition *position, char *to, size_t *ret_length)
{
	int64_t end = position->offset;

	position->offset = end > LOG_TEXT_SLICE ? end - LOG_TEXT_SLICE : 0;
	*ret_length = (size_t)(end - position->offset);
	return pread(position->fd, to, *ret_length, position->offset) == (ssize_t)*ret_length;
}

bool logtext_read_back(LogText *text, LogPosition *position, char *to, size_t *ret_length)
{
	if (!look(text, position))
		return back_plain(position, to, ret_length);
	ssize_t index = find_block(text, position->offset - 1);
	if (index == NONE && back_gathered(text, position, to, ret_length))
		return true;
	if (index == NONE) { /* they have got into a block between the two looks */
		look(text, position);
		index = find_block(text, position->offset - 1);
	}
	*ret_length = index == NONE ? 0 : back_in_block(text, position, to, index);
	if (index == NONE)
		position->offset = end_of_blocks(text);
	return true;
}
