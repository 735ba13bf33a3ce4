// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of image layers. Source: OCI image spec, layer.md; where it is silent, what Docker does.
 * `.wh.NAME` removes NAME of lower layers, `.wh..wh..opq` all that they have in its directory. Both say nothing about
 * what this same layer has, in whichever order it comes: a file stays, and a directory stays with nothing of lower
 * layers showing through, which makes it opaque.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/strings.h"
#include "fetch/unpack/attributes.h"
#include "fetch/unpack/content.h"
#include "fetch/unpack/extractor.h"
#include "fetch/unpack/names.h"

static const char whiteout_prefix[] = ".wh.";
static const char opaque_name[] = ".wh..wh..opq";
static const char meta_prefix[] = ".wh..wh."; /* aufs's own files: passed over */

/* ---- whiteouts ---- */

static fallible add_opaque(Extractor *extractor)
{
	TRY(extract_enter_parent(extractor));
	return opaque_add(&extractor->opaque, extractor->branch.fd);
}

/* Something of this layer has the name already. */
static fallible cover_existing(Extractor *extractor, const char *name)
{
	autofd directory = openat(extractor->branch.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory >= 0)
		return opaque_add(&extractor->opaque, directory);
	if (errno == ENOTDIR || errno == ELOOP)
		return NULL;
	return error_errno(errno, "could not look at what is there");
}

static fallible add_whiteout(Extractor *extractor)
{
	const char *name = extractor->name + strlen(whiteout_prefix);

	if (!*name || string_equal(name, ".") || string_equal(name, ".."))
		return error_new(ERROR_INVALID, "is a whiteout of nothing");
	TRY(extract_enter_parent(extractor));
	if (mknodat(extractor->branch.fd, name, S_IFCHR, makedev(0, 0)) == 0)
		return NULL;
	if (errno == EEXIST)
		return cover_existing(extractor, name);
	return content_error(errno, "could not make the whiteout");
}

/* Whether a part of the path, but for the last, starts so. */
static bool is_below(const char *path, const char *prefix)
{
	for (const char *part = path, *slash; (slash = strchr(part, '/')); part = slash + 1)
		if (string_starts(part, prefix))
			return true;
	return false;
}

static bool is_meta(const Extractor *extractor)
{
	if (is_below(extractor->path, meta_prefix))
		return true;
	return string_starts(extractor->name, meta_prefix) && !string_equal(extractor->name, opaque_name);
}

/* ---- kinds of entries ---- */

static fallible add_file(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	int fd = -1;

	TRY(extract_count_bytes(extractor, entry->size));
	TRY(extract_make(extractor, entry, make_file, &fd));
	autofd file = fd;
	TRY(content_write(file, reader, entry, extractor->copy ? CONTENT_LEFT : CONTENT_SENT, NULL));
	return attributes_set_file(file, entry, extractor->branch.before.st_mode & S_ISGID);
}

static bool has_whiteout(const Extractor *extractor)
{
	struct stat status;

	return fstatat(extractor->branch.fd, extractor->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_whiteout(&status);
}

/* mkdir's own EEXIST tells that there may be a whiteout: the usual case costs nothing. */
static fallible make_layer_directory(Extractor *extractor, const TarEntry *entry, bool *ret_covered)
{
	int result;

	if (make_directory(extractor, entry) == 0)
		return NULL;
	if (errno == EEXIST)
		*ret_covered = has_whiteout(extractor);
	return extract_make(extractor, entry, make_directory, &result);
}

static fallible add_directory(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	bool covered = false;
	int fd = -1;

	(void)reader;
	if (*extractor->path)
		TRY(make_layer_directory(extractor, entry, &covered));
	else
		branch_leave(&extractor->branch); /* the root gets its time itself */
	TRY(extract_open_directory(extractor, &fd));
	autofd directory = fd;
	if (covered)
		TRY(opaque_add(&extractor->opaque, directory));
	return attributes_set_directory(directory, entry);
}

static int make_symlink(Extractor *extractor, const TarEntry *entry)
{
	return symlinkat(entry->link, extractor->branch.fd, extractor->name);
}

static const mode_t node_types[TAR_TYPES] = {[TAR_CHARACTER] = S_IFCHR, [TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO};

static int make_node(Extractor *extractor, const TarEntry *entry)
{
	return mknodat(extractor->branch.fd, extractor->name, node_types[entry->type] | entry->mode,
		makedev(entry->device_major, entry->device_minor));
}

static fallible add_symlink(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	int result;

	(void)reader;
	TRY(extract_make(extractor, entry, make_symlink, &result));
	return attributes_set_other(extractor->branch.fd, extractor->name, entry);
}

static fallible add_node(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	int result;

	(void)reader;
	TRY(extract_make(extractor, entry, make_node, &result));
	return attributes_set_other(extractor->branch.fd, extractor->name, entry);
}

/* The file has its attributes from its own entry. */
static fallible add_hard_link(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	char target[PATH_MAX];

	(void)reader;
	TRY(name_clean(target, entry->link, extractor->limits.max_depth));
	if (*extractor->base)
		TRY(extract_below_base(extractor, target));
	return extract_link(extractor, entry, target);
}

static ExtractAdd *const adders[TAR_TYPES] = {
	[TAR_FILE] = add_file,
	[TAR_DIRECTORY] = add_directory,
	[TAR_SYMLINK] = add_symlink,
	[TAR_HARD_LINK] = add_hard_link,
	[TAR_CHARACTER] = add_node,
	[TAR_BLOCK] = add_node,
	[TAR_FIFO] = add_node,
};

Error *plain_add(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	if (*extractor->path)
		TRY(extract_enter_parent(extractor));
	return adders[entry->type](extractor, reader, entry);
}

Error *layer_add(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	if (!*extractor->path && entry->type != TAR_DIRECTORY)
		return error_new(ERROR_INVALID, "is the root, but not a directory");
	if (string_equal(extractor->name, opaque_name))
		return add_opaque(extractor);
	if (is_meta(extractor))
		return NULL;
	if (is_below(extractor->path, whiteout_prefix))
		return error_new(ERROR_INVALID, "is below a whiteout");
	if (string_starts(extractor->name, whiteout_prefix))
		return add_whiteout(extractor);
	return plain_add(extractor, reader, entry);
}
