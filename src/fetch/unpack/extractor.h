// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Inside of the extractor: what the rules for layers and for archives share. */
#include "base/table.h"
#include "fetch/unpack/branch.h"
#include "fetch/unpack/dropped.h"
#include "fetch/unpack/extract.h"
#include "fetch/unpack/lists.h"

struct Extractor {
	int root;
	UnpackMode mode;
	UnpackLimits limits;
	Branch branch; /* the entry's directory */
	OpaqueSet opaque;
	Dropped *dropped;
	int64_t bytes;
	int64_t entries;
	char path[PATH_MAX]; /* of the entry, clean; "" is the root */
	const char *name;    /* its last part */

	const UnpackCopy *copy; /* NULL: none; copies */
	char base[PATH_MAX];    /* what their paths begin with, clean */
	AccessLists *lists;     /* of a copy that is the root */

	/* archives */
	Table *digests;     /* path -> Digest, owned */
	StringMap symlinks; /* path -> clean path of its target: made at the end, as hard links */
};

/* Makes the current entry; EEXIST is cleared away as Docker does: a directory stays for a directory, everything else is
 * replaced. */
typedef int ExtractMake(Extractor *extractor, const TarEntry *entry); /* 0 or more; -1 and errno */
fallible extract_make(Extractor *extractor, const TarEntry *entry, ExtractMake *make, int *ret);

/* ExtractMake functions; file gives a descriptor. */
ExtractMake make_file, make_directory;
/* Links the current entry's name to an existing file of the archive. */
fallible extract_link(Extractor *extractor, const TarEntry *entry, const char *target);
/* Opens the current entry, a directory that was made or kept. */
fallible extract_open_directory(Extractor *extractor, int *ret);
/* A clean path of the archive becomes one below the base. */
fallible extract_below_base(const Extractor *extractor, char path[PATH_MAX]);
fallible extract_count_bytes(Extractor *extractor, int64_t bytes);

/* Opens the current entry's directory as the branch. */
fallible extract_enter_parent(Extractor *extractor);

typedef Error *ExtractAdd(Extractor *extractor, TarReader *reader, const TarEntry *entry);
ExtractAdd layer_add, archive_add, copy_add;
/* What layers and copies have alike: an entry that is no mark, in its directory. */
ExtractAdd plain_add;
fallible archive_finish(Extractor *extractor, UnpackResult *ret);
