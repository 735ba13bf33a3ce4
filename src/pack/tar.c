// SPDX-License-Identifier: Apache-2.0
#include "pack/tar.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/strings.h"

enum { QUEUE_FLUSH = 128 << 10 };

#define OCTAL7_MAX ((INT64_C(1) << 21) - 1)
#define OCTAL11_MAX ((INT64_C(1) << 33) - 1)

/* Source: POSIX.1-2017, pax, "ustar Interchange Format". */
typedef struct Ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
} Ustar;

_Static_assert(sizeof(Ustar) == TAR_BLOCK, "a header is one block");

void tar_out_init(TarOut *out, int fd)
{
	*out = (TarOut){.fd = fd};
}

void tar_out_init_sink(TarOut *out, TarSink *sink, void *arg)
{
	*out = (TarOut){.fd = -1, .sink = sink, .sink_arg = arg};
}

void tar_out_clear(TarOut *out)
{
	buffer_clear(&out->queue);
}

Error *tar_out_flush(TarOut *out)
{
	Error *error = out->sink ? out->sink(out->sink_arg, out->queue.data, out->queue.length)
				 : file_write_all(out->fd, out->queue.data, out->queue.length, "archive");

	buffer_truncate(&out->queue, 0);
	return error;
}

static fallible put(TarOut *out, const void *data, size_t length)
{
	buffer_add(&out->queue, data, length);
	return out->queue.length >= QUEUE_FLUSH ? tar_out_flush(out) : NULL;
}

/* ---- pax records ---- */

static size_t digits_of(size_t number)
{
	size_t digits = 1;

	for (; number >= 10; number /= 10)
		digits++;
	return digits;
}

/* The length counts itself. */
void pax_add(Buffer *records, const char *key, const void *value, size_t length)
{
	size_t rest = strlen(key) + length + 3, all = rest + digits_of(rest);

	all = rest + digits_of(all);
	buffer_printf(records, "%zu %s=", all, key);
	buffer_add(records, value, length);
	buffer_add_char(records, '\n');
}

static void pax_add_text(Buffer *records, const char *key, const char *text)
{
	pax_add(records, key, text, strlen(text));
}

static void pax_add_number(Buffer *records, const char *key, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	pax_add_text(records, key, text);
}

/* A time before 1970 has its fraction counted downwards: -0.5 is {-1, 500000000}. */
static void pax_add_time(Buffer *records, const struct timespec *time)
{
	bool is_back = time->tv_sec < 0 && time->tv_nsec > 0;
	long long seconds = (long long)time->tv_sec + is_back;
	long nanos = is_back ? NANOS_PER_SECOND - time->tv_nsec : time->tv_nsec;
	char text[48];

	snprintf(text, sizeof(text), "%s%lld.%09ld", is_back && seconds == 0 ? "-" : "", seconds, nanos);
	pax_add_text(records, "mtime", text);
}

/* What ustar's fields do not hold. */
static void pax_add_head(Buffer *records, const TarHead *head)
{
	if (strlen(head->path) > sizeof((Ustar){0}.name))
		pax_add_text(records, "path", head->path);
	if (head->link && strlen(head->link) > sizeof((Ustar){0}.link))
		pax_add_text(records, "linkpath", head->link);
	if (head->uid > OCTAL7_MAX)
		pax_add_number(records, "uid", head->uid);
	if (head->gid > OCTAL7_MAX)
		pax_add_number(records, "gid", head->gid);
	if (head->size > OCTAL11_MAX)
		pax_add_number(records, "size", head->size);
	if (head->mtime.tv_nsec || head->mtime.tv_sec < 0 || head->mtime.tv_sec > OCTAL11_MAX)
		pax_add_time(records, &head->mtime);
}

/* ---- headers ---- */

/* Digits and one NUL; what does not fit is in a pax record, and 0 here. */
static void put_octal(char *field, size_t size, int64_t number, int64_t max)
{
	snprintf(field, size, "%0*llo", (int)size - 1, number < 0 || number > max ? 0LL : (long long)number);
}

/* Without its NUL where it just fits. */
static void put_text(char *field, size_t size, const char *text)
{
	memcpy(field, text, strnlen(text, size));
}

static void put_checksum(Ustar *block)
{
	const unsigned char *bytes = (const unsigned char *)block;
	unsigned sum = 0;

	memset(block->checksum, ' ', sizeof(block->checksum));
	for (size_t i = 0; i < sizeof(*block); i++)
		sum += bytes[i];
	snprintf(block->checksum, sizeof(block->checksum), "%06o", sum);
}

static fallible put_block(TarOut *out, const TarHead *head)
{
	Ustar block = {.type = (char)head->type, .magic = "ustar", .version = {'0', '0'}};

	put_text(block.name, sizeof(block.name), head->path);
	put_text(block.link, sizeof(block.link), head->link ? head->link : "");
	put_octal(block.mode, sizeof(block.mode), head->mode & 07777, OCTAL7_MAX);
	put_octal(block.uid, sizeof(block.uid), head->uid, OCTAL7_MAX);
	put_octal(block.gid, sizeof(block.gid), head->gid, OCTAL7_MAX);
	put_octal(block.size, sizeof(block.size), head->size, OCTAL11_MAX);
	put_octal(block.mtime, sizeof(block.mtime), head->mtime.tv_sec, OCTAL11_MAX);
	put_octal(block.major, sizeof(block.major), head->major, OCTAL7_MAX);
	put_octal(block.minor, sizeof(block.minor), head->minor, OCTAL7_MAX);
	put_checksum(&block);
	out->content = 0;
	return put(out, &block, sizeof(block));
}

static fallible put_records(TarOut *out, const Buffer *records)
{
	const TarHead head = {
		.type = (TarType)'x', .path = "PaxHeaders.0/entry", .mode = 0644, .size = records->length};

	TRY(put_block(out, &head));
	TRY(tar_out_data(out, records->data, records->length));
	return tar_out_entry_end(out);
}

Error *tar_out_head(TarOut *out, const TarHead *head, const Buffer *records)
{
	autoclear(Buffer) all = {0};

	pax_add_head(&all, head);
	if (records)
		buffer_add(&all, records->data, records->length);
	if (all.length)
		TRY(put_records(out, &all));
	return put_block(out, head);
}

/* ---- content ---- */

Error *tar_out_data(TarOut *out, const void *data, size_t length)
{
	out->content += (int64_t)length;
	return put(out, data, length);
}

Error *tar_out_zeros(TarOut *out, int64_t length)
{
	static const char zeros[16 << 10];

	while (length > 0) {
		int64_t piece = length < (int64_t)sizeof(zeros) ? length : (int64_t)sizeof(zeros);
		TRY(tar_out_data(out, zeros, piece));
		length -= piece;
	}
	return NULL;
}

Error *tar_out_entry_end(TarOut *out)
{
	int64_t over = out->content % TAR_BLOCK;

	return over ? tar_out_zeros(out, TAR_BLOCK - over) : NULL;
}

Error *tar_out_end(TarOut *out)
{
	TRY(tar_out_zeros(out, 2 * TAR_BLOCK));
	return tar_out_flush(out);
}
