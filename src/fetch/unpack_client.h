// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedged's side of kedge-unpack: one jailed process for one archive. It sees the target directory as its root and nothing else, so that no path
 * in an archive can lead outside. The input file may still be growing: unpacker_input() says how far it may be read. Freeing kills the process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strings.h"
#include "oci/digest.h"

typedef struct Unpacker Unpacker;

typedef enum UnpackMode {
	UNPACK_LAYER,   /* whiteouts become overlay's character devices 0/0, opaque marks are handed back */
	UNPACK_ARCHIVE, /* docker save / OCI layout: plain regular files and directories only; also reports digests of all files below blobs/ and of *.json and *.tar */
} UnpackMode;

typedef struct UnpackLimits {
	int64_t max_bytes;   /* unpacked, default 64 GiB */
	int64_t max_entries; /* default 2 million */
	int64_t max_depth;   /* path components, default 128 */
} UnpackLimits;

typedef struct UnpackResult {
	Digest diff_id;         /* sha256 of the uncompressed archive */
	int64_t bytes;          /* apparent size of what was unpacked */
	int64_t entries;
	StringList opaque;      /* UNPACK_LAYER: directories (relative) that hide what is below them: kedged sets trusted.overlay.opaque */
	StringMap digests;      /* UNPACK_ARCHIVE: path -> digest */
} UnpackResult;

typedef struct UnpackerOptions {
	const char *program;   /* path of kedge-unpack */
	UnpackMode mode;
	UnpackLimits limits;   /* zeros: defaults */
	int input_fd;          /* borrowed; gzip, zstd or plain, told by its first bytes */
	int64_t input_available;
	bool input_complete;
	int directory_fd;      /* borrowed: where to unpack */
} UnpackerOptions;

typedef struct UnpackerHandlers {
	void (*progress)(void *arg, int64_t input_bytes);                      /* compressed bytes consumed */
	void (*done)(void *arg, Error *take_error, const UnpackResult *result); /* result is NULL with an error */
} UnpackerHandlers;

fallible unpacker_start(Unpacker **ret, Loop *loop, const UnpackerOptions *options, const UnpackerHandlers *handlers, void *arg);
void unpacker_input(Unpacker *unpacker, int64_t available, bool complete);
Unpacker *unpacker_free(Unpacker *unpacker);
DEFINE_AUTOPTR(Unpacker, unpacker_free)
