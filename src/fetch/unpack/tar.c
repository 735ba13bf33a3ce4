// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/strings.h"
#include "fetch/unpack/pax.h"
#include "fetch/unpack/sparse.h"
#include "fetch/unpack/tar.h"
#include "fetch/unpack/tar_header.h"

struct TarReader {
	TarSource source;
	const uint8_t *at; /* the run of bytes being read */
	size_t left;
	int64_t offset;
	int64_t content; /* bytes of the current entry still to come */
	int64_t padding; /* and behind them */
	bool ended, has_end;

	Buffer pax, long_path, long_link; /* extended headers; empty: none */
	char header_path[257], header_link[101];
	const char *sparse_path; /* into pax */
	bool map_in_content;
	int64_t pending_offset; /* GNU.sparse.offset waits for its numbytes */
	SparseMap map;
	bool has_path;
	TarEntry entry;
};

TarReader *tar_new(const TarSource *source)
{
	TarReader *reader = mem_new(TarReader);

	reader->source = *source;
	buffer_init(&reader->pax, TAR_EXTENDED_MAX + 1);
	buffer_init(&reader->long_path, TAR_NAME_MAX + 2);
	buffer_init(&reader->long_link, TAR_NAME_MAX + 2);
	return reader;
}

TarReader *tar_free(TarReader *reader)
{
	if (!reader)
		return NULL;
	buffer_clear(&reader->pax);
	buffer_clear(&reader->long_path);
	buffer_clear(&reader->long_link);
	sparse_clear(&reader->map);
	free(reader);
	return NULL;
}

const char *tar_path(const TarReader *reader)
{
	return reader->has_path ? reader->entry.path : NULL;
}

int64_t tar_offset(const TarReader *reader)
{
	return reader->offset;
}

/* ---- bytes ---- */

/* Makes at/left not empty; *ret_end: there is no more. */
static fallible peek(TarReader *reader, bool *ret_end)
{
	if (reader->left == 0)
		TRY(reader->source.next(reader->source.arg, &reader->at, &reader->left));
	*ret_end = reader->left == 0;
	return NULL;
}

static void consume(TarReader *reader, size_t length)
{
	reader->at += length;
	reader->left -= length;
	reader->offset += (int64_t)length;
}

/* Hands out up to length bytes; an error at the end of the archive. */
static fallible take_run(TarReader *reader, int64_t length, const uint8_t **ret, size_t *ret_length)
{
	bool end = false;
	size_t run;

	TRY(peek(reader, &end));
	if (end)
		return error_new(ERROR_INVALID, "archive ends in the middle of an entry");
	run = (int64_t)reader->left < length ? reader->left : (size_t)length;
	*ret = reader->at;
	*ret_length = run;
	consume(reader, run);
	return NULL;
}

static fallible skip(TarReader *reader, int64_t length)
{
	const uint8_t *run = NULL;
	size_t got = 0;

	for (; length > 0; length -= (int64_t)got)
		TRY(take_run(reader, length, &run, &got));
	return NULL;
}

/* *ret_got is less than length only at the end. */
static fallible read_block(TarReader *reader, void *to, size_t length, size_t *ret_got)
{
	size_t got = 0;
	bool end = false;

	while (got < length) {
		TRY(peek(reader, &end));
		if (end)
			break;
		size_t run = reader->left < length - got ? reader->left : length - got;
		memcpy((char *)to + got, reader->at, run);
		consume(reader, run);
		got += run;
	}
	*ret_got = got;
	return NULL;
}

static int64_t padding_of(int64_t size)
{
	return -size & (TAR_BLOCK_SIZE - 1);
}

/* Reads what belongs to an extended header. */
static fallible read_extended(TarReader *reader, const TarHeader *header, Buffer *to)
{
	int64_t size = 0;

	TRY(tar_number(&size, header->size, sizeof header->size, "size"));
	if (size < 0 || (size_t)size >= to->limit)
		return error_new(ERROR_TOO_LARGE, "extended header of %lld bytes is too long", (long long)size);
	buffer_truncate(to, 0);
	for (int64_t left = size; left > 0;) {
		const uint8_t *run = NULL;
		size_t got = 0;
		TRY(take_run(reader, left, &run, &got));
		buffer_add(to, run, got);
		left -= (int64_t)got;
	}
	return skip(reader, padding_of(size));
}

static fallible skip_extended(TarReader *reader, const TarHeader *header)
{
	int64_t size = 0;

	TRY(tar_number(&size, header->size, sizeof header->size, "size"));
	if (size < 0 || size > TAR_EXTENDED_MAX)
		return error_new(ERROR_TOO_LARGE, "extended header of %lld bytes is too long", (long long)size);
	return skip(reader, size + padding_of(size));
}

/* ---- extended header records ---- */

static fallible take_name(const char **ret, const char *value, size_t length)
{
	if (strlen(value) != length)
		return error_new(ERROR_INVALID, "name in an extended header has a NUL byte");
	*ret = value;
	return NULL;
}

static fallible on_path(TarReader *reader, const char *value, size_t length)
{
	return take_name(&reader->entry.path, value, length);
}

static fallible on_link(TarReader *reader, const char *value, size_t length)
{
	return take_name(&reader->entry.link, value, length);
}

static fallible on_size(TarReader *reader, const char *value, size_t length)
{
	(void)length;
	return pax_number(&reader->content, value, "size");
}

static fallible take_id(uint32_t *ret, int64_t number, const char *what)
{
	if (number < 0 || number >= UINT32_MAX)
		return error_new(ERROR_INVALID, "%s %lld is out of range", what, (long long)number);
	*ret = (uint32_t)number;
	return NULL;
}

static fallible on_uid(TarReader *reader, const char *value, size_t length)
{
	int64_t number = 0;

	(void)length;
	TRY(pax_number(&number, value, "uid"));
	return take_id(&reader->entry.uid, number, "uid");
}

static fallible on_gid(TarReader *reader, const char *value, size_t length)
{
	int64_t number = 0;

	(void)length;
	TRY(pax_number(&number, value, "gid"));
	return take_id(&reader->entry.gid, number, "gid");
}

static fallible on_mtime(TarReader *reader, const char *value, size_t length)
{
	(void)length;
	return pax_time(&reader->entry.mtime, value);
}

static fallible on_sparse_name(TarReader *reader, const char *value, size_t length)
{
	return take_name(&reader->sparse_path, value, length);
}

static fallible on_sparse_size(TarReader *reader, const char *value, size_t length)
{
	(void)length;
	return pax_number(&reader->entry.size, value, "GNU.sparse.size");
}

static fallible on_sparse_major(TarReader *reader, const char *value, size_t length)
{
	(void)length;
	if (!string_equal(value, "0") && !string_equal(value, "1"))
		return error_new(ERROR_UNSUPPORTED, "sparse format \"%.20s\" is unknown", value);
	reader->map_in_content = *value == '1';
	reader->entry.sparse = true;
	return NULL;
}

/* Comes with the forms 0.0 and 0.1, also when there is no data at all. */
static fallible on_sparse_numblocks(TarReader *reader, const char *value, size_t length)
{
	(void)value;
	(void)length;
	reader->entry.sparse = true;
	return NULL;
}

static fallible on_sparse_offset(TarReader *reader, const char *value, size_t length)
{
	(void)length;
	reader->entry.sparse = true;
	return pax_number(&reader->pending_offset, value, "GNU.sparse.offset");
}

static fallible on_sparse_numbytes(TarReader *reader, const char *value, size_t length)
{
	int64_t number = 0;

	(void)length;
	TRY(pax_number(&number, value, "GNU.sparse.numbytes"));
	return sparse_add(&reader->map, reader->pending_offset, number);
}

/* One number of a list, up to its comma or the end. */
static fallible next_in_list(const char **at, int64_t *ret)
{
	char digits[24];
	size_t length = strcspn(*at, ",");

	if (length >= sizeof digits)
		return error_new(ERROR_INVALID, "map of the sparse file is invalid");
	memcpy(digits, *at, length);
	digits[length] = '\0';
	*at += length + ((*at)[length] == ',');
	return pax_number(ret, digits, "GNU.sparse.map");
}

/* "offset,length,offset,length" */
static fallible on_sparse_map(TarReader *reader, const char *value, size_t length)
{
	int64_t offset = 0, run = 0;

	(void)length;
	reader->entry.sparse = true;
	while (*value) {
		TRY(next_in_list(&value, &offset));
		if (!*value)
			return error_new(ERROR_INVALID, "map of the sparse file is invalid");
		TRY(next_in_list(&value, &run));
		TRY(sparse_add(&reader->map, offset, run));
	}
	return NULL;
}

static const struct {
	const char *key;
	Error *(*apply)(TarReader *reader, const char *value, size_t length);
} records[] = {
	{"path", on_path},
	{"linkpath", on_link},
	{"size", on_size},
	{"uid", on_uid},
	{"gid", on_gid},
	{"mtime", on_mtime},
	{"GNU.sparse.name", on_sparse_name},
	{"GNU.sparse.size", on_sparse_size},
	{"GNU.sparse.realsize", on_sparse_size},
	{"GNU.sparse.major", on_sparse_major},
	{"GNU.sparse.numblocks", on_sparse_numblocks},
	{"GNU.sparse.offset", on_sparse_offset},
	{"GNU.sparse.numbytes", on_sparse_numbytes},
	{"GNU.sparse.map", on_sparse_map},
};

static const char xattr_prefix[] = "SCHILY.xattr.";

static fallible on_xattr(TarReader *reader, const char *name, const char *value, size_t length)
{
	TarEntry *entry = &reader->entry;

	if (entry->xattr_count == TAR_XATTRS_MAX)
		return error_new(ERROR_TOO_LARGE, "more than %d extended attributes", TAR_XATTRS_MAX);
	if (length > TAR_XATTR_VALUE_MAX || strlen(name) > 255)
		return error_new(ERROR_TOO_LARGE, "extended attribute \"%.40s\" is too long", name);
	entry->xattrs[entry->xattr_count++] = (TarXattr){name, value, length};
	return NULL;
}

/* An empty value takes the record back: what the header says holds. Unknown records are left to others. */
static Error *on_record(void *arg, const char *key, const char *value, size_t length)
{
	TarReader *reader = arg;

	if (string_starts(key, xattr_prefix))
		return on_xattr(reader, key + strlen(xattr_prefix), value, length);
	for (size_t i = 0; length > 0 && i < sizeof records / sizeof *records; i++)
		if (string_equal(key, records[i].key))
			return records[i].apply(reader, value, length);
	return NULL;
}

/* ---- sparse maps outside of extended headers ---- */

static fallible read_pairs(TarReader *reader, const char *at, int count)
{
	int64_t offset = 0, length = 0;

	for (int i = 0; i < count && at[0]; i++, at += SPARSE_PAIR_SIZE) {
		TRY(tar_number(&offset, at, 12, "offset of a sparse file"));
		TRY(tar_number(&length, at + 12, 12, "length of a sparse file"));
		TRY(sparse_add(&reader->map, offset, length));
	}
	return NULL;
}

/* GNU's old form: four pairs in the header, more in blocks behind it, which the size does not count. */
static fallible read_old_map(TarReader *reader, const TarHeader *header)
{
	const char *bytes = (const char *)header;
	char block[TAR_BLOCK_SIZE];
	bool more = bytes[SPARSE_EXTENDED_AT];
	size_t got = 0;

	reader->entry.sparse = true;
	TRY(tar_number(&reader->entry.size, bytes + SPARSE_SIZE_AT, 12, "size of a sparse file"));
	TRY(read_pairs(reader, bytes + SPARSE_HEADER_AT, SPARSE_HEADER_PAIRS));
	while (more) {
		TRY(read_block(reader, block, sizeof block, &got));
		if (got < sizeof block)
			return error_new(ERROR_INVALID, "archive ends in the middle of an entry");
		TRY(read_pairs(reader, block, SPARSE_BLOCK_PAIRS));
		more = block[SPARSE_BLOCK_EXTENDED_AT];
	}
	return NULL;
}

/* One decimal number and its newline, from the content. */
static fallible read_map_number(TarReader *reader, int64_t *ret)
{
	const uint8_t *byte = NULL;
	size_t got = 0;
	int64_t value = 0;

	for (int digits = 0; digits < 20; digits++) {
		if (reader->content <= 0)
			break;
		TRY(take_run(reader, 1, &byte, &got));
		reader->content--;
		if (*byte == '\n' && digits > 0) {
			*ret = value;
			return NULL;
		}
		if (*byte < '0' || *byte > '9' || value > (INT64_MAX - 9) / 10)
			break;
		value = value * 10 + (*byte - '0');
	}
	return error_new(ERROR_INVALID, "map of the sparse file is invalid");
}

/* GNU's form 1.0: the count, then the pairs, each on a line, filled up to a whole block. */
static fallible read_content_map(TarReader *reader)
{
	int64_t start = reader->content, count = 0, offset = 0, length = 0, padding;

	TRY(read_map_number(reader, &count));
	for (; count > 0; count--) {
		TRY(read_map_number(reader, &offset));
		TRY(read_map_number(reader, &length));
		TRY(sparse_add(&reader->map, offset, length));
	}
	padding = padding_of(start - reader->content);
	if (padding > reader->content)
		return error_new(ERROR_INVALID, "map of the sparse file is invalid");
	reader->content -= padding;
	return skip(reader, padding);
}

/* ---- entries ---- */

static const struct {
	char letter;
	TarType type;
	bool has_content;
} types[] = {
	{'\0', TAR_FILE, true}, {'0', TAR_FILE, true}, {'1', TAR_HARD_LINK, false}, {'2', TAR_SYMLINK, false},
	{'3', TAR_CHARACTER, false}, {'4', TAR_BLOCK, false}, {'5', TAR_DIRECTORY, false}, {'6', TAR_FIFO, false},
	{'7', TAR_FILE, true},      /* contiguous */
	{'D', TAR_DIRECTORY, true}, /* GNU: with a list of names, which is passed over */
	{'S', TAR_FILE, true},      /* GNU: sparse */
};

/* What a header says that no name is needed for. */
static fallible read_fields(TarReader *reader, const TarHeader *header)
{
	TarEntry *entry = &reader->entry;
	int64_t mode = 0, uid = 0, gid = 0, mtime = 0;

	TRY(tar_number(&mode, header->mode, sizeof header->mode, "mode"));
	TRY(tar_number(&uid, header->uid, sizeof header->uid, "uid"));
	TRY(tar_number(&gid, header->gid, sizeof header->gid, "gid"));
	TRY(tar_number(&mtime, header->mtime, sizeof header->mtime, "mtime"));
	TRY(tar_number(&reader->content, header->size, sizeof header->size, "size"));
	TRY(take_id(&entry->uid, uid, "uid"));
	TRY(take_id(&entry->gid, gid, "gid"));
	entry->mode = (uint32_t)mode & 07777;
	entry->mtime.tv_sec = mtime;
	return NULL;
}

static fallible read_device(TarEntry *entry, const TarHeader *header)
{
	int64_t major = 0, minor = 0;

	if (tar_header_dialect(header) == DIALECT_V7)
		return NULL;
	TRY(tar_number(&major, header->device_major, sizeof header->device_major, "device number"));
	TRY(tar_number(&minor, header->device_minor, sizeof header->device_minor, "device number"));
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return error_new(
			ERROR_INVALID, "device number %lld:%lld is out of range", (long long)major, (long long)minor);
	entry->device_major = (uint32_t)major;
	entry->device_minor = (uint32_t)minor;
	return NULL;
}

/* Names before extended records: GNU's long ones, else the header's. */
static void start_names(TarReader *reader, const TarHeader *header)
{
	tar_header_path(reader->header_path, header);
	memcpy(reader->header_link, header->link, sizeof header->link);
	reader->entry.path = reader->long_path.length ? buffer_text(&reader->long_path) : reader->header_path;
	reader->entry.link = reader->long_link.length ? buffer_text(&reader->long_link) : reader->header_link;
}

static fallible check_names(TarReader *reader)
{
	TarEntry *entry = &reader->entry;

	if (reader->sparse_path)
		entry->path = reader->sparse_path;
	if (entry->type != TAR_SYMLINK && entry->type != TAR_HARD_LINK)
		entry->link = "";
	if (strlen(entry->path) > TAR_NAME_MAX || strlen(entry->link) > TAR_NAME_MAX)
		return error_new(ERROR_TOO_LARGE, "name is longer than %d bytes", TAR_NAME_MAX);
	reader->has_path = true;
	return NULL;
}

static fallible read_type(TarReader *reader, const TarHeader *header, bool *ret_has_content)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (header->type != types[i].letter)
			continue;
		reader->entry.type = types[i].type;
		*ret_has_content = types[i].has_content;
		return NULL;
	}
	return error_new(ERROR_UNSUPPORTED, "entry type %#x is not supported", (unsigned char)header->type);
}

static fallible read_map(TarReader *reader, const TarHeader *header)
{
	TarEntry *entry = &reader->entry;

	if (header->type == 'S')
		TRY(read_old_map(reader, header));
	else if (reader->map_in_content)
		TRY(read_content_map(reader));
	return sparse_check(&reader->map, entry->size, reader->content);
}

/* Sizes, once all is known. The padding counts from the content as the archive has it. */
static fallible read_sizes(TarReader *reader, const TarHeader *header, bool has_content)
{
	TarEntry *entry = &reader->entry;

	if (!has_content)
		reader->content = 0;
	if (reader->content < 0)
		return error_new(ERROR_INVALID, "size is negative");
	reader->padding = padding_of(reader->content);
	if (entry->type == TAR_FILE && string_ends(entry->path, "/"))
		entry->type = TAR_DIRECTORY;
	entry->sparse = entry->type == TAR_FILE && (entry->sparse || header->type == 'S');
	if (entry->sparse)
		return read_map(reader, header);
	entry->size = entry->type == TAR_FILE ? reader->content : 0;
	return NULL;
}

static void start_entry(TarReader *reader)
{
	reader->entry = (TarEntry){0};
	reader->sparse_path = NULL;
	reader->map_in_content = false;
	reader->pending_offset = 0;
	sparse_reset(&reader->map);
}

static fallible read_entry(TarReader *reader, const TarHeader *header)
{
	bool has_content = false;

	start_entry(reader);
	start_names(reader, header);
	TRY(read_fields(reader, header));
	TRY(read_device(&reader->entry, header));
	if (reader->pax.length)
		TRY(pax_each(reader->pax.data, reader->pax.length, on_record, reader));
	TRY(read_type(reader, header, &has_content));
	TRY(check_names(reader));
	return read_sizes(reader, header, has_content);
}

/* Extended headers are over with the entry they belong to; the buffers' text stays until the next one is read. */
static void forget_extended(TarReader *reader)
{
	buffer_truncate(&reader->pax, 0);
	buffer_truncate(&reader->long_path, 0);
	buffer_truncate(&reader->long_link, 0);
}

/* Takes one header; *ret_entry: it was an entry's. */
static fallible read_header(TarReader *reader, const TarHeader *header, bool *ret_entry)
{
	TRY(tar_header_check(header));
	switch (header->type) {
	case 'x':
	case 'X':
		return read_extended(reader, header, &reader->pax);
	case 'L':
		return read_extended(reader, header, &reader->long_path);
	case 'K':
		return read_extended(reader, header, &reader->long_link);
	case 'g': /* comments of tools; Go and libarchive pass them over too */
	case 'V': /* GNU: the volume's label */
		return skip_extended(reader, header);
	default:
		*ret_entry = true;
		return read_entry(reader, header);
	}
}

/* *ret_end: two blocks of zeros, or nothing at all. */
static fallible next_header(TarReader *reader, TarHeader *ret, bool *ret_end)
{
	size_t got = 0;

	TRY(read_block(reader, ret, sizeof *ret, &got));
	if (got == 0) {
		*ret_end = true;
		return NULL;
	}
	if (got < sizeof *ret)
		return error_new(ERROR_INVALID, "archive ends in the middle of a header");
	if (!tar_header_is_zero(ret))
		return NULL;
	reader->has_end = true;
	TRY(read_block(reader, ret, sizeof *ret, &got));
	if (got > 0 && (got < sizeof *ret || !tar_header_is_zero(ret)))
		return error_new(ERROR_INVALID, "a header follows a block of zeros");
	*ret_end = true;
	return NULL;
}

Error *tar_next(TarReader *reader, const TarEntry **ret)
{
	TarHeader header;
	bool is_entry = false;

	TRY(skip(reader, reader->content));
	TRY(skip(reader, reader->padding));
	reader->content = reader->padding = 0;
	reader->has_path = false;
	forget_extended(reader);
	while (!is_entry) {
		if (!reader->ended)
			TRY(next_header(reader, &header, &reader->ended));
		if (reader->ended) {
			*ret = NULL;
			return NULL;
		}
		TRY(read_header(reader, &header, &is_entry));
	}
	*ret = &reader->entry;
	return NULL;
}

bool tar_has_end(const TarReader *reader)
{
	return reader->has_end;
}

Error *tar_data(TarReader *reader, const uint8_t **ret, size_t *ret_length, int64_t *ret_offset)
{
	TarEntry *entry = &reader->entry;
	int64_t room = reader->content;

	*ret_length = 0;
	if (entry->type != TAR_FILE || room == 0)
		return NULL;
	*ret_offset = entry->size - reader->content;
	if (entry->sparse)
		sparse_place(&reader->map, ret_offset, &room);
	TRY(take_run(reader, room, ret, ret_length));
	reader->content -= (int64_t)*ret_length;
	sparse_advance(&reader->map, (int64_t)*ret_length);
	return NULL;
}
