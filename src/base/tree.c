// SPDX-License-Identifier: Apache-2.0
/*
 * Walks over whole trees of files, of which nothing is trusted: links are not followed, mounts not entered, and neither
 * descriptors nor stack grow with the depth. A directory is read as a whole when it is entered: its files are handled
 * at once, its subdirectories one after the other. Only the innermost directories stay open; the way back to the others
 * is
 * "..", checked by inode, so that a directory moved meanwhile stops the walk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/table.h"
#include "base/tree.h"

enum { OPEN_MAX_LEVELS = 32, SHOWN_PATH_MAX = 4096 };

typedef struct Level {
	char *name; /* in the level above; the root's is the path as it was given */
	int fd;     /* -1: closed meanwhile */
	dev_t device;
	ino_t inode;
	StringList directories; /* still to be entered */
} Level;

typedef struct Walk Walk;
struct Walk {
	int top;          /* the directory that the root is in */
	const char *path; /* of the root, as it was given */
	const char *root; /* its name in top */
	bool root_may_be_mount;
	Level *levels;
	size_t depth;
	size_t capacity;
	Error *(*on_file)(Walk *walk, int dir, const char *name);
	Error *(*on_enter)(Walk *walk, int fd, const char *name, const struct stat *status); /* NULL: nothing to do */
	Error *(*on_leave)(Walk *walk, int parent, const char *name); /* the directory is closed and was walked */
	Error *(*on_mount)(Walk *walk, const char *name);
	int64_t bytes;
	Table *linked;              /* tree_size: files with several names, seen once */
	const TreeVisitor *visitor; /* tree_each */
};

static void level_clear(Level *level)
{
	close_fd(&level->fd);
	free(level->name);
	strings_clear(&level->directories);
}

static void walk_clear(Walk *walk)
{
	while (walk->depth)
		level_clear(&walk->levels[--walk->depth]);
	free(walk->levels);
	table_free(walk->linked);
	close_fd(&walk->top);
}
DEFINE_AUTOCLEAR(Walk, walk_clear)

static Level *innermost(Walk *walk)
{
	return &walk->levels[walk->depth - 1];
}

/* Gives "could not <what> "<path>": <reason>". Very long paths are shown up to a bound. */
static fallible walk_error(Walk *walk, int problem, const char *what, const char *name)
{
	autoclear(Buffer) path = {.limit = SHOWN_PATH_MAX};

	for (size_t i = 0; i < walk->depth; i++)
		buffer_printf(&path, "%s/", walk->levels[i].name);
	buffer_add_text(&path, walk->depth ? name : walk->path);
	return error_errno(problem, "could not %s \"%s%s\"", what, buffer_text(&path), path.overflown ? "..." : "");
}

static int parent_fd(Walk *walk)
{
	return walk->depth ? innermost(walk)->fd : walk->top;
}

/* Before Linux 5.6, or under a filter that knows no openat2: bind mounts of the same device go unnoticed. */
static int open_below_old(int dir, const char *name, bool may_cross)
{
	struct stat above, below;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || may_cross || fstat(dir, &above) < 0 || fstat(fd, &below) < 0 || above.st_dev == below.st_dev)
		return fd;
	close(fd);
	errno = EXDEV;
	return -1;
}

/* A mount is EXDEV, what is no directory ENOTDIR or ELOOP. */
static int open_below(int dir, const char *name, bool may_cross)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = may_cross ? 0 : RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 && (errno == ENOSYS || errno == EPERM) ? open_below_old(dir, name, may_cross) : fd;
}

static void push(Walk *walk, const char *name, int fd, const struct stat *status)
{
	if (walk->depth == walk->capacity) {
		walk->capacity = walk->capacity ? 2 * walk->capacity : OPEN_MAX_LEVELS;
		walk->levels = mem_array(walk->levels, walk->capacity, sizeof(Level));
	}
	if (walk->depth >= OPEN_MAX_LEVELS)
		close_fd(&walk->levels[walk->depth - OPEN_MAX_LEVELS].fd);
	walk->levels[walk->depth++] =
		(Level){.name = mem_strdup(name), .fd = fd, .device = status->st_dev, .inode = status->st_ino};
}

static Error *visit_entry(void *arg, int dir, const char *name, unsigned char type)
{
	Walk *walk = arg;

	if (type != DT_DIR)
		return walk->on_file(walk, dir, name);
	strings_add(&innermost(walk)->directories, name);
	return NULL;
}

static fallible enter_opened(Walk *walk, const char *name, int take_directory)
{
	autofd fd = take_directory;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return walk_error(walk, errno, "open", name);
	if (walk->on_enter)
		TRY(walk->on_enter(walk, fd, name, &status));
	int entered = take_fd(&fd);
	push(walk, walk->depth ? name : walk->path, entered, &status);
	return dir_each(entered, ".", visit_entry, walk);
}

static fallible enter(Walk *walk, const char *name)
{
	int dir = parent_fd(walk);
	autofd fd = open_below(dir, name, !walk->depth && walk->root_may_be_mount);

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return walk->on_file(walk, dir, name);
	if (fd < 0 && errno == EXDEV)
		return walk->on_mount(walk, name);
	if (fd < 0)
		return walk_error(walk, errno, "open", name);
	return enter_opened(walk, name, take_fd(&fd));
}

static fallible reopen_above(Walk *walk, int below)
{
	Level *level = innermost(walk);
	struct stat status;

	level->fd = openat(below, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (level->fd < 0 || fstat(level->fd, &status) < 0)
		return walk_error(walk, errno, "go back to", ".");
	if (status.st_dev != level->device || status.st_ino != level->inode)
		return walk_error(walk, ESTALE, "go back to", ".");
	return NULL;
}

static fallible leave(Walk *walk)
{
	__attribute__((cleanup(level_clear))) Level left = walk->levels[--walk->depth];

	if (walk->depth && innermost(walk)->fd < 0)
		TRY(reopen_above(walk, left.fd));
	return walk->on_leave(walk, parent_fd(walk), walk->depth ? left.name : walk->root);
}

static fallible walk_levels(Walk *walk)
{
	while (walk->depth) {
		StringList *directories = &innermost(walk)->directories;
		if (!directories->count) {
			TRY(leave(walk));
			continue;
		}
		autofree char *name = directories->items[--directories->count];
		directories->items[directories->count] = NULL;
		TRY(enter(walk, name));
	}
	return NULL;
}

/* Splits the path into what may go through links and mounts (the parent) and the root, which must not. */
static fallible walk_tree(Walk *walk, int dir, const char *path)
{
	autofree char *copy = mem_strdup(path);
	size_t length = strlen(copy);

	while (length > 1 && copy[length - 1] == '/')
		copy[--length] = '\0';
	char *slash = strrchr(copy, '/');
	const char *root = slash ? slash + 1 : copy;
	if (string_empty(root) || string_equal(root, ".") || string_equal(root, ".."))
		return error_new(ERROR_INVALID, "path \"%s\" does not name a tree", path);
	autofree char *parent = slash ? mem_strndup(copy, (size_t)(slash - copy + 1)) : mem_strdup(".");
	TRY(file_open(&walk->top, dir, parent, O_PATH | O_DIRECTORY, 0));
	walk->root = root;
	TRY(enter(walk, root));
	return walk_levels(walk);
}

/* ---- removing ---- */

static Error *remove_file(Walk *walk, int dir, const char *name)
{
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? walk_error(walk, errno, "remove", name) : NULL;
}

static Error *remove_directory(Walk *walk, int parent, const char *name)
{
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return walk_error(walk, errno, "remove", name);
	return NULL;
}

static Error *refuse_mount(Walk *walk, const char *name)
{
	return error_hint(walk_error(walk, EBUSY, "remove", name), "unmount it first");
}

Error *tree_remove(int dir, const char *path)
{
	autoclear(Walk) walk = {.top = -1,
		.path = path,
		.on_file = remove_file,
		.on_leave = remove_directory,
		.on_mount = refuse_mount};
	Error *error = walk_tree(&walk, dir, path);

	return error && walk.top < 0 && error_number(error) == ENOENT ? error_free(error) : error;
}

/* ---- measuring ---- */

static bool is_counted_already(Walk *walk, const struct stat *status)
{
	char key[64];

	if (status->st_nlink < 2)
		return false;
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)status->st_dev, (unsigned long long)status->st_ino);
	return table_set(walk->linked, key, walk) != NULL;
}

static Error *count_file(Walk *walk, int dir, const char *name)
{
	struct stat status;

	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : walk_error(walk, errno, "measure", name);
	if (S_ISREG(status.st_mode) && !is_counted_already(walk, &status))
		walk->bytes += status.st_size;
	return NULL;
}

static Error *count_nothing(Walk *walk, int parent, const char *name)
{
	(void)walk;
	(void)parent;
	(void)name;
	return NULL;
}

static Error *skip_mount(Walk *walk, const char *name)
{
	return count_nothing(walk, -1, name);
}

Error *tree_size(int64_t *ret_bytes, int dir, const char *path)
{
	autoclear(Walk) walk = {.top = -1,
		.path = path,
		.root_may_be_mount = true,
		.on_file = count_file,
		.on_leave = count_nothing,
		.on_mount = skip_mount,
		.linked = table_new()};

	if (!file_exists(dir, path))
		return error_errno(ENOENT, "could not measure \"%s\"", path);
	TRY(walk_tree(&walk, dir, path));
	*ret_bytes = walk.bytes;
	return NULL;
}

/* ---- visiting ---- */

/* Below the root, whose own name is left out. */
static fallible visited_path(Buffer *out, const Walk *walk, const char *name)
{
	out->limit = TREE_PATH_MAX;
	for (size_t i = 1; i < walk->depth; i++)
		buffer_printf(out, "%s/", walk->levels[i].name);
	buffer_add_text(out, name);
	if (buffer_overflown(out))
		return error_new(ERROR_TOO_LARGE, "a path is longer than %d bytes: \"%.100s...\"", TREE_PATH_MAX,
			buffer_text(out));
	return NULL;
}

static Error *visit_file(Walk *walk, int dir, const char *name)
{
	autoclear(Buffer) path = {0};

	TRY(visited_path(&path, walk, name));
	return walk->visitor->file(walk->visitor->arg, dir, name, buffer_text(&path));
}

static Error *visit_directory(Walk *walk, int fd, const char *name, const struct stat *status)
{
	autoclear(Buffer) path = {0};

	TRY(visited_path(&path, walk, name));
	return walk->visitor->directory(walk->visitor->arg, fd, buffer_text(&path), status);
}

/* A mount that has just gone is as one that was never there. */
static Error *visit_mount(Walk *walk, const char *name)
{
	const TreeVisitor *visitor = walk->visitor;
	struct stat status;

	if (!visitor->enters)
		return NULL;
	autofd fd = open_below(parent_fd(walk), name, true);
	if (fd < 0 || fstat(fd, &status) < 0)
		return NULL;
	return visitor->enters(visitor->arg, fd) ? enter_opened(walk, name, take_fd(&fd))
						 : visit_directory(walk, fd, name, &status);
}

/* The root's entries as those of any directory. */
static fallible visit_root(Walk *walk, int root)
{
	struct stat status;
	autofd fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		return walk_error(walk, errno, "open", ".");
	int entered = take_fd(&fd);
	push(walk, walk->path, entered, &status);
	TRY(dir_each(entered, ".", visit_entry, walk));
	return walk_levels(walk);
}

fallible tree_each(int root, const TreeVisitor *visitor)
{
	autoclear(Walk) walk = {.top = -1,
		.path = ".",
		.on_file = visit_file,
		.on_enter = visit_directory,
		.on_leave = count_nothing,
		.on_mount = visit_mount,
		.visitor = visitor};

	return visit_root(&walk, root);
}
