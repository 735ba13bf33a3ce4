// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One path of a container, as `cp` takes it: what it is, and it and all below it as an archive. The path is absolute or
 * taken as such; links in it are followed within the root, a link at its end only where "/" or "/." stands behind it.
 * Source: moby daemon/archive.go, container/archive.go.
 */
#include <sys/stat.h>

#include "base/buffer.h"
#include "pack/tar.h"

typedef struct CopySource {
	int directory; /* that it is in, or itself where it is the root or was followed */
	char *name;    /* in directory; NULL: directory itself */
	char *path;    /* in the archive */
	struct stat status;
	char *target; /* of a link: where it ends, as a path within the root; else "" */
	dev_t left_out;
} CopySource;

void copy_source_clear(CopySource *source);
DEFINE_AUTOCLEAR(CopySource, copy_source_clear)

/* root: this process's root, which a container may change meanwhile. ERROR_NOT_FOUND when nothing is there. */
fallible copy_find(CopySource *ret, int root, const char *path);
/* "MODE SIZE SECONDS NANOSECONDS NAME/TARGET" and a NUL; the mode is octal and has the type, the name is that in the
 * archive. */
void copy_describe(Buffer *out, const CopySource *source);
fallible copy_pack(TarOut *out, const CopySource *source);
