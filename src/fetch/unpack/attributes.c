// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/strings.h"
#include "fetch/unpack/attributes.h"
#include "fetch/unpack/content.h"

enum { SPECIAL_BITS = 07000 };

static bool is_wanted(const char *name)
{
	if (string_equal(name, "security.capability"))
		return true;
	return string_starts(name, "user.") && !string_starts(name, "user.overlay.");
}

static fallible set_xattrs(int fd, const TarEntry *entry)
{
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const TarXattr *xattr = &entry->xattrs[i];
		if (!is_wanted(xattr->name) || fsetxattr(fd, xattr->name, xattr->value, xattr->length, 0) == 0)
			continue;
		if (errno != ENOTSUP)
			return error_errno(errno, "could not set extended attribute \"%.40s\"", xattr->name);
	}
	return NULL;
}

static bool is_roots(const TarEntry *entry)
{
	return entry->uid == 0 && entry->gid == 0;
}

static void times_of(struct timespec ret[2], const TarEntry *entry)
{
	ret[0] = ret[1] = entry->mtime;
}

static fallible set_times(int fd, const TarEntry *entry)
{
	struct timespec times[2];

	times_of(times, entry);
	if (futimens(fd, times) < 0)
		return content_error(errno, "could not set its times");
	return NULL;
}

/* Changing the owner clears the special bits and the capabilities: it comes first. */
Error *attributes_set_file(int file, const TarEntry *entry, bool inherits_group)
{
	if ((!is_roots(entry) || inherits_group) && fchown(file, entry->uid, entry->gid) < 0)
		return content_error(errno, "could not set its owner");
	if ((entry->mode & SPECIAL_BITS) && fchmod(file, entry->mode) < 0)
		return content_error(errno, "could not set its mode");
	TRY(set_xattrs(file, entry));
	return set_times(file, entry);
}

Error *attributes_set_directory(int directory, const TarEntry *entry)
{
	if (fchown(directory, entry->uid, entry->gid) < 0)
		return content_error(errno, "could not set its owner");
	if (fchmod(directory, entry->mode) < 0)
		return content_error(errno, "could not set its mode");
	TRY(set_xattrs(directory, entry));
	return set_times(directory, entry);
}

Error *attributes_set_other(int parent, const char *name, const TarEntry *entry)
{
	struct timespec times[2];

	if (fchownat(parent, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return content_error(errno, "could not set its owner");
	if (entry->type != TAR_SYMLINK && (entry->mode & SPECIAL_BITS) && fchmodat(parent, name, entry->mode, 0) < 0)
		return content_error(errno, "could not set its mode");
	times_of(times, entry);
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return content_error(errno, "could not set its times");
	return NULL;
}
