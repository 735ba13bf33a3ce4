// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of what `cp` puts into a container: everything is what tar says it is, names that begin with ".wh." too.
 * The directory itself stays as it is, unless it is the archive's root. Source: moby pkg/archive, Unpack.
 */
#include "fetch/unpack/extractor.h"

Error *copy_add(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	const UnpackCopy *copy = extractor->copy;
	TarEntry owned = *entry;

	if (!*extractor->path && (!copy->is_root || entry->type != TAR_DIRECTORY))
		return NULL;
	if (copy->has_owner) {
		owned.uid = copy->uid;
		owned.gid = copy->gid;
	}
	TRY(plain_add(extractor, reader, &owned));
	return copy->is_root ? lists_take(extractor->lists, extractor->branch.fd, extractor->path, entry) : NULL;
}
