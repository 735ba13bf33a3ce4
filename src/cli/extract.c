// SPDX-License-Identifier: Apache-2.0
#include "cli/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "fetch/unpack/names.h"
#include "fetch/unpack/tar.h"

enum { DEPTH_MAX = 512, DIRECTORY_MODE = 0700, PARENT_MODE = 0755 };

/* Directories get their mode and time when all that is in them is there. */
typedef struct Made {
	char *path;
	mode_t mode;
	struct timespec mtime;
} Made;

typedef struct Extract {
	const ExtractPlan *plan;
	HttpClient *client;
	Buffer piece;
	int64_t bytes;
	Made *made;
	size_t count;
} Extract;

static void extract_clear(Extract *extract)
{
	for (size_t i = 0; i < extract->count; i++)
		free(extract->made[i].path);
	free(extract->made);
	buffer_clear(&extract->piece);
}
DEFINE_AUTOCLEAR(Extract, extract_clear)

static Error *next_piece(void *arg, const uint8_t **ret, size_t *ret_length)
{
	Extract *extract = arg;
	bool end = false;

	buffer_truncate(&extract->piece, 0);
	while (!end && !extract->piece.length)
		TRY(http_client_read(extract->client, &extract->piece, &end));
	extract->bytes += (int64_t)extract->piece.length;
	extract->plan->moved(extract->plan->arg, extract->bytes);
	*ret = (const uint8_t *)buffer_text(&extract->piece);
	*ret_length = extract->piece.length;
	return NULL;
}

/* ---- places ---- */

static fallible failed(const char *path, const char *what)
{
	return error_errno(errno, "could not %s \"%.300s\"", what, path);
}

static int open_below(int directory, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, directory, *path ? path : ".", &how, sizeof(how));
}

/* The archive's name of it, with the root's name as it is to be. */
static fallible place_of(char ret[PATH_MAX], const Extract *extract, const char *name)
{
	const ExtractPlan *plan = extract->plan;
	char cleaned[PATH_MAX];
	const char *rest = cleaned;
	size_t length = strlen(plan->from);

	TRY(name_clean(cleaned, name, DEPTH_MAX));
	if (plan->to && strncmp(cleaned, plan->from, length) == 0 && (!cleaned[length] || cleaned[length] == '/'))
		rest = cleaned + length + (cleaned[length] == '/');
	else if (plan->to && !string_equal(plan->from, ".") && *plan->from)
		return error_new(ERROR_INVALID, "the archive holds \"%.300s\", which was not asked for", name);
	autofree char *whole =
		plan->to ? string_printf("%s%s%s", plan->to, *rest ? "/" : "", rest) : mem_strdup(cleaned);
	if (strlen(whole) >= PATH_MAX)
		return error_new(ERROR_INVALID, "a name is longer than %d bytes", PATH_MAX - 1);
	strcpy(ret, whole);
	return NULL;
}

static fallible open_parent(int *ret, const Extract *extract, const char *path)
{
	autofree char *above = mem_strndup(path, (size_t)(name_base(path) - path));
	int root = extract->plan->directory, fd = open_below(root, above, O_PATH | O_DIRECTORY);

	for (char *slash = strchr(above, '/'); fd < 0 && errno == ENOENT && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		autofd up = -1;
		autofree char *upper = mem_strndup(above, (size_t)(name_base(above) - above));
		up = open_below(root, upper, O_PATH | O_DIRECTORY);
		if (up < 0 || (mkdirat(up, name_base(above), PARENT_MODE) < 0 && errno != EEXIST))
			return failed(above, "make");
		*slash = '/';
		fd = open_below(root, above, O_PATH | O_DIRECTORY);
	}
	if (fd < 0)
		return failed(above, "open");
	*ret = fd;
	return NULL;
}

/* ---- entries ---- */

typedef struct Place {
	int parent;
	const char *path, *name;
} Place;

/* Docker's rule: no directory gives way to what is none, and none the other way round. */
static fallible clear_way(const Place *place, bool is_directory, bool *ret_is_there)
{
	struct stat status;

	*ret_is_there = false;
	if (fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : failed(place->path, "look at");
	if (S_ISDIR(status.st_mode) != is_directory)
		return error_new(ERROR_INVALID, "cannot overwrite %s \"%.300s\" with %s",
			is_directory ? "non-directory" : "directory", place->path,
			is_directory ? "directory" : "non-directory");
	*ret_is_there = is_directory;
	return !is_directory && unlinkat(place->parent, place->name, 0) < 0 ? failed(place->path, "replace") : NULL;
}

static fallible give(const Extract *extract, const Place *place, const TarEntry *entry)
{
	const struct timespec times[2] = {entry->mtime, entry->mtime};

	if (extract->plan->keeps_owner &&
		fchownat(place->parent, place->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(place->path, "set the owner of");
	if (entry->type != TAR_SYMLINK && fchmodat(place->parent, place->name, entry->mode, 0) < 0)
		return failed(place->path, "set the mode of");
	if (utimensat(place->parent, place->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(place->path, "set the times of");
	return NULL;
}

static fallible write_content(int file, TarReader *reader, const TarEntry *entry, const char *path)
{
	const uint8_t *run;
	size_t length;
	int64_t offset;

	if (entry->sparse && ftruncate(file, entry->size) < 0)
		return failed(path, "write");
	for (;;) {
		TRY(tar_data(reader, &run, &length, &offset));
		if (!length)
			return NULL;
		for (size_t done = 0; done < length;) {
			ssize_t written = pwrite(file, run + done, length - done, offset + (int64_t)done);
			if (written < 0 && errno != EINTR)
				return failed(path, "write");
			done += written > 0 ? (size_t)written : 0;
		}
	}
}

static fallible add_file(Extract *extract, TarReader *reader, const TarEntry *entry, const Place *place)
{
	autofd file = openat(place->parent, place->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (file < 0)
		return failed(place->path, "make");
	TRY(write_content(file, reader, entry, place->path));
	return give(extract, place, entry);
}

static fallible add_directory(Extract *extract, const TarEntry *entry, const Place *place, bool is_there)
{
	if (!is_there && mkdirat(place->parent, place->name, DIRECTORY_MODE) < 0)
		return failed(place->path, "make");
	if (extract->plan->keeps_owner &&
		fchownat(place->parent, place->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(place->path, "set the owner of");
	extract->made = mem_array(extract->made, extract->count + 1, sizeof(Made));
	extract->made[extract->count++] = (Made){mem_strdup(place->path), entry->mode, entry->mtime};
	return NULL;
}

static fallible add_hard_link(Extract *extract, const TarEntry *entry, const Place *place)
{
	char first[PATH_MAX];
	int fd;

	TRY(place_of(first, extract, entry->link));
	TRY(open_parent(&fd, extract, first));
	autofd parent = fd;
	return linkat(parent, name_base(first), place->parent, place->name, 0) < 0 ? failed(place->path, "link") : NULL;
}

static fallible add_node(Extract *extract, const TarEntry *entry, const Place *place)
{
	static const mode_t types[TAR_TYPES] = {[TAR_CHARACTER] = S_IFCHR, [TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO};

	if (mknodat(place->parent, place->name, types[entry->type] | 0600,
		    makedev(entry->device_major, entry->device_minor)) < 0)
		return failed(place->path, "make");
	return give(extract, place, entry);
}

static fallible add_other(Extract *extract, TarReader *reader, const TarEntry *entry, const Place *place)
{
	switch (entry->type) {
	case TAR_FILE:
		return add_file(extract, reader, entry, place);
	case TAR_HARD_LINK:
		return add_hard_link(extract, entry, place);
	case TAR_SYMLINK:
		if (symlinkat(entry->link, place->parent, place->name) < 0)
			return failed(place->path, "make");
		return give(extract, place, entry);
	default:
		return add_node(extract, entry, place);
	}
}

static fallible add(Extract *extract, TarReader *reader, const TarEntry *entry)
{
	bool is_directory = entry->type == TAR_DIRECTORY, is_there;
	char path[PATH_MAX];
	int fd;

	TRY(place_of(path, extract, entry->path));
	if (!*path)
		return NULL; /* the directory itself, which stays as it is */
	TRY(open_parent(&fd, extract, path));
	autofd parent = fd;
	const Place place = {parent, path, name_base(path)};
	TRY(clear_way(&place, is_directory, &is_there));
	return is_directory ? add_directory(extract, entry, &place, is_there)
			    : add_other(extract, reader, entry, &place);
}

/* Innermost first: setting one's time moves none of those above. */
static fallible finish_directories(Extract *extract)
{
	for (size_t i = extract->count; i-- > 0;) {
		const Made *made = &extract->made[i];
		const struct timespec times[2] = {made->mtime, made->mtime};
		autofd fd = open_below(extract->plan->directory, made->path, O_RDONLY | O_DIRECTORY);
		if (fd < 0 || fchmod(fd, made->mode) < 0 || futimens(fd, times) < 0)
			return failed(made->path, "set the mode of");
	}
	return NULL;
}

Error *extract_answer(HttpClient *client, const ExtractPlan *plan, int64_t *ret_bytes)
{
	autoclear(Extract) extract = {.plan = plan, .client = client};
	const TarSource source = {.next = next_piece, .arg = &extract};
	autoptr(TarReader) reader = tar_new(&source);
	const TarEntry *entry = NULL;

	for (;;) {
		TRY_WRAP(tar_next(reader, &entry), "the archive");
		if (!entry)
			break;
		TRY(add(&extract, reader, entry));
	}
	TRY(finish_directories(&extract));
	*ret_bytes = extract.bytes;
	return NULL;
}
