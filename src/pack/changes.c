// SPDX-License-Identifier: Apache-2.0
#include "pack/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/tree.h"

typedef struct Change {
	char *path;
	char kind; /* 'A', 'C', 'D'; 0: made for it */
	bool is_directory;
	bool is_over_directory; /* of the layers below */
	bool is_same;           /* a directory, but for its time */
	bool is_older;          /* the time is the same as well */
	bool has_news;          /* something in it came or went */
	bool has_made;          /* something was made for it in there, which moved its time */
} Change;

typedef struct Search {
	int upper, lower;
	const Table *opaque;
	Change **items;
	size_t count, capacity;
	Table *by_path;
} Search;

static void search_clear(Search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		free(search->items[i]->path);
		free(search->items[i]);
	}
	free(search->items);
	table_free(search->by_path);
}
DEFINE_AUTOCLEAR(Search, search_clear)

void changes_clear(Changes *changes)
{
	strings_clear(&changes->lines);
	table_free(changes->made);
}

/* ---- what was made for it ---- */

static const char *const made_paths[] = {".dockerenv", "dev", "dev/console", "dev/mqueue", "dev/pts", "dev/shm", "etc",
	"etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sbin", "sbin/docker-init", "sys"};

static bool is_made(const char *path, const struct stat *status)
{
	if (!S_ISDIR(status->st_mode) && !(S_ISREG(status->st_mode) && status->st_size == 0))
		return false;
	return names_find(made_paths, sizeof(made_paths) / sizeof(made_paths[0]), path) >= 0;
}

/* ---- looking ---- */

static Change *parent_of(const Search *search, const char *path)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent = slash ? mem_strndup(path, (size_t)(slash - path)) : NULL;

	return parent ? table_get(search->by_path, parent) : NULL;
}

/* A path below what is no directory there is not there, wherever a link may lead. */
static bool look_below(const Search *search, const char *path, struct stat *ret)
{
	const Change *parent = parent_of(search, path);

	if (search->lower < 0 || (parent && !parent->is_over_directory))
		return false;
	autofd fd = open_inside(search->lower, path, O_PATH | O_NOFOLLOW);
	return fd >= 0 && fstat(fd, ret) == 0;
}

static Change *add(Search *search, const char *path, char kind)
{
	Change *change = mem_new(Change);

	if (search->count == search->capacity) {
		search->capacity = search->capacity ? 2 * search->capacity : 64;
		search->items = mem_array(search->items, search->capacity, sizeof(*search->items));
	}
	search->items[search->count++] = change;
	change->path = mem_strdup(path);
	change->kind = kind;
	table_set(search->by_path, path, change);
	return change;
}

static Change *add_seen(Search *search, const char *path, const struct stat *status)
{
	struct stat below = {0};
	bool is_below = look_below(search, path, &below);
	char kind = is_below ? 'C' : is_made(path, status) ? 0 : 'A';
	Change *change = add(search, path, kind);

	change->is_directory = S_ISDIR(status->st_mode);
	change->is_over_directory = is_below && S_ISDIR(below.st_mode);
	change->is_same =
		status->st_mode == below.st_mode && status->st_uid == below.st_uid && status->st_gid == below.st_gid;
	change->is_older =
		status->st_mtim.tv_sec == below.st_mtim.tv_sec && status->st_mtim.tv_nsec == below.st_mtim.tv_nsec;
	return change;
}

/* ---- walking ---- */

typedef struct Hidden {
	Search *search;
	const char *path;
} Hidden;

static Error *see_hidden(void *arg, int dir, const char *name, unsigned char type)
{
	const Hidden *hidden = arg;
	autofree char *path = string_printf("%s/%s", hidden->path, name);
	struct stat status;

	(void)dir, (void)type;
	if (fstatat(hidden->search->upper, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		add(hidden->search, path, 'D');
	return NULL;
}

/* Made anew in place of one of the layers: what that had is gone, unless it is there again. */
static fallible see_replaced(Search *search, const char *path)
{
	Hidden hidden = {search, path};
	autofd below = open_inside(search->lower, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	return below < 0 ? NULL : dir_each(below, ".", see_hidden, &hidden);
}

static Error *see_directory(void *arg, int fd, const char *path, const struct stat *status)
{
	Search *search = arg;
	const Change *change = add_seen(search, path, status);

	(void)fd;
	return change->is_over_directory && table_get(search->opaque, path) ? see_replaced(search, path) : NULL;
}

static Error *see_file(void *arg, int dir, const char *name, const char *path)
{
	struct stat status;

	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : error_errno(errno, "could not look at \"%.300s\"", path);
	if (S_ISCHR(status.st_mode) && status.st_rdev == 0)
		add(arg, path, 'D');
	else
		add_seen(arg, path, &status);
	return NULL;
}

/* ---- telling ---- */

static int compare_paths(const void *a, const void *b)
{
	return strcmp((*(Change *const *)a)->path, (*(Change *const *)b)->path);
}

static void tell_parent(const Search *search, const Change *change)
{
	Change *parent = parent_of(search, change->path);

	if (parent && change->kind == 0)
		parent->has_made = true;
	else if (parent && change->kind != 'C')
		parent->has_news = true;
}

/* A directory is in the upper one also because something below it is. */
static bool is_told(const Change *change)
{
	if (!change->is_directory || !change->is_over_directory || change->kind != 'C')
		return change->kind != 0;
	return !change->is_same || change->has_news || (!change->is_older && !change->has_made);
}

Error *changes_find(Changes *ret, int upper, int lower, const Table *opaque)
{
	autoclear(Search) search = {.upper = upper, .lower = lower, .opaque = opaque, .by_path = table_new()};
	const TreeVisitor visitor = {.directory = see_directory, .file = see_file, .arg = &search};

	TRY(tree_each(upper, &visitor));
	if (search.count)
		qsort(search.items, search.count, sizeof(*search.items), compare_paths);
	for (size_t i = 0; i < search.count; i++)
		tell_parent(&search, search.items[i]);
	ret->made = table_new();
	for (size_t i = 0; i < search.count; i++) {
		const Change *change = search.items[i];
		if (change->kind == 0)
			table_set(ret->made, change->path, ret->made);
		if (is_told(change))
			strings_printf(&ret->lines, "%c/%s", change->kind, change->path);
	}
	return NULL;
}
