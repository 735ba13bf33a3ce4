// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The directory that entries are being made in. It stays open from one entry to the next, and keeps its modification
 * time whatever is made in it: so no list of directories has to be remembered until the end. Paths lead through
 * symbolic links as in a chroot(2) to the root (openat2, RESOLVE_IN_ROOT): a link of the archive cannot lead out even
 * where no jail surrounds this process.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"
#include "fetch/unpack/opaque.h"

typedef enum OpenBeneath { OPEN_DIRECTORY, OPEN_DIRECTORY_NO_LINKS, OPEN_FILE_NO_LINKS } OpenBeneath;

/* A descriptor or -1 and errno. "" is the root. */
int open_beneath(int root, const char *path, OpenBeneath how);

typedef struct Branch {
	int root; /* borrowed */
	int fd;   /* -1: none is open */
	char path[PATH_MAX];
	struct stat before;
	const char *base;  /* the one directory that does not keep its time; NULL: none */
	OpaqueSet *opaque; /* borrowed: gets directories that take the place of a whiteout */
} Branch;

void branch_init(Branch *branch, int root, OpaqueSet *opaque);
/* Gives the directory its time back and closes it. */
void branch_leave(Branch *branch);
/* Opens the directory of the first length bytes of path; those that are missing are made with mode 0755. */
fallible branch_enter(Branch *branch, const char *path, size_t length);
/* Overlay's word for "removed here": a character device 0/0. */
bool is_whiteout(const struct stat *status);
