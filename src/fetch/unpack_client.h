// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedged's side of kedge-unpack: one jailed process for one archive. It sees the target directory as its root and
 * nothing else, so that no path in an archive can lead outside. The input file may still be growing: unpacker_input()
 * says how far it may be read. Freeing kills the process without waiting for its death: rename the directory away
 * before removing it, since one more file may appear in it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strings.h"
#include "oci/digest.h"

typedef struct Unpacker Unpacker;

typedef enum UnpackMode {
	UNPACK_LAYER,   /* whiteouts become overlay's character devices 0/0, opaque marks are handed back */
	UNPACK_ARCHIVE, /* docker save / OCI layout: regular files and directories, links become hard links; reports
			   every file's digest */
	UNPACK_COPY,    /* what `cp` puts into a container: as tar has it, within the container's root */
} UnpackMode;

/* Source: moby daemon/archive.go, containerExtractToDir. */
typedef struct UnpackCopy {
	const char *path;       /* directory in the root; links are followed within the root */
	bool is_described;      /* the directory's descriptor is a file that says what to mount (base/rootfs.h) */
	bool keeps_directories; /* no file in place of a directory, and none the other way round */
	bool is_root;           /* the archive's root is the directory: its owner, mode and attributes too */
	bool has_owner;         /* all belongs to uid and gid, whatever the archive says */
	uid_t uid;
	gid_t gid;
} UnpackCopy;

#define UNPACK_MAX_BYTES (INT64_C(64) << 30)
#define UNPACK_MAX_ENTRIES INT64_C(2000000)
#define UNPACK_MAX_DEPTH INT64_C(128)

typedef struct UnpackLimits {
	int64_t max_bytes;   /* unpacked, default UNPACK_MAX_BYTES; the archive itself may be twice as long */
	int64_t max_entries; /* default UNPACK_MAX_ENTRIES */
	int64_t max_depth;   /* path components, default UNPACK_MAX_DEPTH */
} UnpackLimits;

typedef struct UnpackResult {
	Digest diff_id; /* sha256 of the uncompressed archive */
	int64_t bytes;  /* apparent size of what was unpacked */
	int64_t entries;
	StringList opaque; /* UNPACK_LAYER: directories (relative, "." the root) that hide what is below them: kedged
			      sets trusted.overlay.opaque, following no link */
	StringMap digests; /* UNPACK_ARCHIVE: path -> digest, at most 4096 */
} UnpackResult;

void unpack_result_clear(UnpackResult *result);
DEFINE_AUTOCLEAR(UnpackResult, unpack_result_clear)

typedef struct UnpackerOptions {
	const char *program; /* path of kedge-unpack */
	UnpackMode mode;
	UnpackLimits limits; /* zeros: defaults */
	int input_fd;        /* borrowed; gzip, zstd or plain, told by its first bytes */
	int64_t input_available;
	bool input_complete;
	int directory_fd;       /* borrowed: where to unpack */
	const UnpackCopy *copy; /* borrowed; UNPACK_COPY alone. directory_fd is the root then, and input_fd a pipe */
	bool sync; /* syncfs before done: a sync of kedged's own is short then and its loop does not wait for the disk
		    */
} UnpackerOptions;

typedef struct UnpackerHandlers {
	void (*progress)(void *arg, int64_t input_bytes); /* compressed bytes consumed, about every 512 KiB */
	void (*done)(void *arg, Error *take_error,
		const UnpackResult *result); /* once; result is NULL with an error. May free the unpacker */
} UnpackerHandlers;

fallible unpacker_start(
	Unpacker **ret, Loop *loop, const UnpackerOptions *options, const UnpackerHandlers *handlers, void *arg);
void unpacker_input(Unpacker *unpacker, int64_t available, bool complete);
Unpacker *unpacker_free(Unpacker *unpacker);
DEFINE_AUTOPTR(Unpacker, unpacker_free)
