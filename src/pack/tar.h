// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A tar archive on its way out: POSIX.1-2017 ustar headers, with a pax extended header before those that ustar cannot
 * say (long names, large numbers, fractions of a second, extended attributes). Memory is bounded; an entry's content is
 * written by its caller, exactly as many bytes as its header said.
 */
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buffer.h"

enum { TAR_BLOCK = 512 };

typedef enum TarType {
	TAR_TYPE_FILE = '0',
	TAR_TYPE_HARD_LINK = '1',
	TAR_TYPE_SYMLINK = '2',
	TAR_TYPE_CHARACTER = '3',
	TAR_TYPE_BLOCK = '4',
	TAR_TYPE_DIRECTORY = '5',
	TAR_TYPE_FIFO = '6',
} TarType;

typedef struct TarHead {
	TarType type;
	const char *path; /* relative; that of a directory ends with "/" */
	const char *link; /* of links; NULL: none */
	mode_t mode;      /* permissions and special bits */
	uid_t uid;
	gid_t gid;
	int64_t size; /* of what follows */
	struct timespec mtime;
	unsigned major, minor; /* of devices */
} TarHead;

typedef Error *TarSink(void *arg, const void *data, size_t length);

typedef struct TarOut {
	int fd;
	TarSink *sink; /* NULL: the descriptor */
	void *sink_arg;
	Buffer queue;
	int64_t content; /* bytes of the current entry so far */
} TarOut;

void tar_out_init(TarOut *out, int fd);
void tar_out_init_sink(TarOut *out, TarSink *sink, void *arg);
void tar_out_clear(TarOut *out);
DEFINE_AUTOCLEAR(TarOut, tar_out_clear)

/* "<length> <key>=<value>\n"; value may be any bytes. */
void pax_add(Buffer *records, const char *key, const void *value, size_t length);
/* records: further pax records for this entry; may be NULL. */
fallible tar_out_head(TarOut *out, const TarHead *head, const Buffer *records);
fallible tar_out_data(TarOut *out, const void *data, size_t length);
fallible tar_out_zeros(TarOut *out, int64_t length);
/* Fills the entry's last block. */
fallible tar_out_entry_end(TarOut *out);
fallible tar_out_flush(TarOut *out);
/* The end mark, and everything to the descriptor. */
fallible tar_out_end(TarOut *out);
