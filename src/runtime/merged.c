// SPDX-License-Identifier: Apache-2.0
#include "runtime/merged.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"

/* What one layer, or all of them together, has at a path. */
typedef enum Finding { FOUND_NOTHING, FOUND_HIDDEN, FOUND_DIRECTORY, FOUND_LINK, FOUND_FILE, FOUND_OTHER } Finding;

/* No link is followed: callers walk the components themselves. */
static int open_within(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static Finding classify(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return FOUND_OTHER;
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return FOUND_HIDDEN;
	if (S_ISDIR(st.st_mode))
		return FOUND_DIRECTORY;
	if (S_ISLNK(st.st_mode))
		return FOUND_LINK;
	return S_ISREG(st.st_mode) ? FOUND_FILE : FOUND_OTHER;
}

static bool is_opaque(int layer, const char *path)
{
	autofd fd = open_within(layer, path, O_RDONLY | O_DIRECTORY);
	char value = 0;

	return fd >= 0 && fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* Walks path in one layer. *stop says that layers below do not show through, whatever was found here. */
static fallible look_in_layer(Finding *ret, int *ret_fd, bool *stop, int layer, const char *path)
{
	char prefix[PATH_MAX];

	for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
		size_t length = slash ? (size_t)(slash - path) : strlen(path);

		memcpy(prefix, path, length);
		prefix[length] = '\0';
		autofd fd = open_within(layer, prefix, O_PATH);
		if (fd < 0 && errno != ENOENT)
			return error_errno(errno, "could not look up \"%s\" in a layer", prefix);
		Finding found = fd < 0 ? FOUND_NOTHING : classify(fd);
		if (!slash) {
			*stop |= found != FOUND_NOTHING && found != FOUND_DIRECTORY;
			*ret_fd = take_fd(&fd);
			*ret = found;
			return NULL;
		}
		if (found != FOUND_DIRECTORY) {
			*stop |= found != FOUND_NOTHING;
			*ret = FOUND_NOTHING;
			return NULL;
		}
		*stop |= is_opaque(layer, prefix);
	}
}

/* path is relative, shorter than PATH_MAX, and its directories are known to be no links in the merged view. */
static fallible look(Finding *ret, int *ret_fd, const StringList *directories, const char *path)
{
	bool stop = false;

	*ret = FOUND_NOTHING;
	for (size_t i = 0; i < directories->count && !stop; i++) {
		autofd layer = open(directories->items[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		autofd fd = -1;
		Finding found = FOUND_NOTHING;

		if (layer < 0 && errno == ENOENT)
			continue;
		if (layer < 0)
			return error_errno(errno, "could not open layer \"%s\"", directories->items[i]);
		TRY(look_in_layer(&found, &fd, &stop, layer, path));
		if (found == FOUND_NOTHING)
			continue;
		*ret = found == FOUND_HIDDEN ? FOUND_NOTHING : found;
		*ret_fd = take_fd(&fd);
		return NULL;
	}
	return NULL;
}

static void drop_last(StringList *path)
{
	if (path->count)
		strings_remove(path, path->count - 1);
}

static fallible too_long(void)
{
	return error_new(ERROR_INVALID, "path in the image is too long");
}

/* rest := target of the link + "/" + rest */
static fallible follow(char **rest, StringList *seen, int link)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(link, "", target, sizeof(target) - 1);

	if (length < 0)
		return error_errno(errno, "could not read a link in a layer");
	target[length] = '\0';
	if (target[0] == '/')
		strings_clear(seen);
	autofree char *old = *rest;
	*rest = string_printf("%s/%s", target, old);
	return strlen(*rest) >= PATH_MAX ? too_long() : NULL;
}

/* Splits the first component off *rest; NULL when none is left. */
static char *next_component(char **rest)
{
	size_t skip = strspn(*rest, "/"), length = strcspn(*rest + skip, "/");
	autofree char *old = *rest;

	if (!length) {
		*rest = mem_strdup("");
		return NULL;
	}
	*rest = mem_strdup(old + skip + length);
	return mem_strndup(old + skip, length);
}

/* One step of the walk: name below seen is looked up; a link is put in front of what is left. */
static fallible step(
	Finding *ret, int *ret_fd, const StringList *directories, StringList *seen, char **rest, const char *name)
{
	autofree char *path = NULL;
	autofd fd = -1;

	strings_add(seen, name);
	path = strings_join(seen, "/");
	if (strlen(path) >= PATH_MAX)
		return too_long();
	TRY(look(ret, &fd, directories, path));
	if (*ret != FOUND_LINK) {
		*ret_fd = take_fd(&fd);
		return NULL;
	}
	drop_last(seen);
	return follow(rest, seen, fd);
}

/* O_PATH descriptors cannot be read from; the file is opened anew through it. Never a fifo or device: classify() saw a
 * regular file. */
static fallible reopen(int *ret_fd, int fd)
{
	autofree char *path = string_printf("/proc/self/fd/%d", fd);
	int readable = open(path, O_RDONLY | O_CLOEXEC);

	if (readable < 0)
		return error_errno(errno, "could not open a file in a layer");
	*ret_fd = readable;
	return NULL;
}

fallible merged_open(int *ret_fd, const StringList *directories, const char *path)
{
	autoclear(StringList) seen = {0};
	autofree char *rest = mem_strdup(path);
	Finding found = FOUND_DIRECTORY;
	autofd fd = -1;
	int links = 0;

	for (;;) {
		autofree char *name = next_component(&rest);
		if (!name)
			break;
		if (found != FOUND_DIRECTORY && found != FOUND_LINK) {
			found = FOUND_NOTHING; /* something below a file */
			break;
		}
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			drop_last(&seen);
			found = FOUND_DIRECTORY;
			continue;
		}
		close_fd(&fd);
		TRY(step(&found, &fd, directories, &seen, &rest, name));
		if (found == FOUND_LINK && ++links > MERGED_LINKS_MAX)
			return error_new(ERROR_INVALID, "too many links on the way to \"%s\" in the image", path);
		if (found == FOUND_NOTHING)
			break;
	}
	*ret_fd = -1;
	return found == FOUND_FILE && fd >= 0 ? reopen(ret_fd, fd) : NULL;
}
