// SPDX-License-Identifier: Apache-2.0
#include "shim/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "shim/mount.h"

#define PART_MARK "//"

typedef struct Source {
	char *number, *kind;
	const char *path;
} Source;

static void source_clear(Source *source)
{
	free(source->number);
	free(source->kind);
}
DEFINE_AUTOCLEAR(Source, source_clear)

static fallible source_read(Source *ret, const char *text)
{
	size_t number = strspn(text, "0123456789");
	const char *kind = text + number + 1, *colon = number && text[number] == ':' ? strchr(kind, ':') : NULL;

	if (!colon || !colon[1])
		return error_new(ERROR_INVALID, "--source \"%s\" is not of the form N:KIND:PATH", text);
	ret->number = mem_strndup(text, number);
	ret->kind = mem_strndup(kind, (size_t)(colon - kind));
	ret->path = colon + 1;
	return NULL;
}

/* ---- how each kind is taken: as a tree of mounts that lies nowhere yet ---- */

static fallible take_flat(int *ret_tree, const char *path, int host)
{
	(void)host;
	return mount_take(ret_tree, AT_FDCWD, path, 0);
}

static fallible take_shared_flat(int *ret_tree, const char *path, int host)
{
	return mount_take_from(ret_tree, host, path, 0);
}

static fallible take_shared(int *ret_tree, const char *path, int host)
{
	return mount_take_from(ret_tree, host, path, AT_RECURSIVE);
}

/* The last mark: what is behind it is clean, what is before it may be spelled in any way. */
static fallible split_part(char **ret_directory, const char **ret_path, const char *text)
{
	const char *mark = NULL;

	for (const char *at = strstr(text, PART_MARK); at; at = strstr(at + 1, PART_MARK))
		mark = at;
	if (!mark)
		return error_new(ERROR_INVALID, "--source \"%s\" is not of the form DIRECTORY//PATH", text);
	*ret_directory = mem_strndup(text, (size_t)(mark - text));
	*ret_path = mark + strlen(PART_MARK);
	return NULL;
}

static fallible take_part(int *ret_tree, const char *text, int host)
{
	autofree char *directory = NULL;
	const char *path = NULL;
	int fd;

	(void)host;
	TRY(split_part(&directory, &path, text));
	TRY(dir_open(&fd, AT_FDCWD, directory));
	autofd root = fd;
	autofd part = open_inside(root, path, O_PATH);
	if (part < 0)
		return error_errno(errno, "could not find \"%s\" in \"%s\"", path, directory);
	return mount_take(ret_tree, part, "", AT_EMPTY_PATH | AT_RECURSIVE);
}

static const struct SourceKind {
	const char *name;
	Error *(*tree)(int *ret_tree, const char *path, int host);
} kinds[] = {{"flat", take_flat}, {"shared", take_shared}, {"shared-flat", take_shared_flat}, {"part", take_part}};

static fallible source_take(int *ret_tree, const Source *source, int host)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (string_equal(kinds[i].name, source->kind))
			return kinds[i].tree(ret_tree, source->path, host);
	return error_new(ERROR_INVALID, "--source: kind \"%s\" is unknown", source->kind);
}

/* ---- where they are put ---- */

/* A mount's target is of its source's kind. */
static fallible make_target(const char *target, int tree)
{
	struct stat status;
	autofd fd = -1;

	if (fstat(tree, &status) < 0)
		return error_errno(errno, "could not look at a bind's source");
	if (S_ISDIR(status.st_mode))
		return dir_make(AT_FDCWD, target, 0755);
	return file_open(&fd, AT_FDCWD, target, O_WRONLY | O_CREAT, 0644);
}

static fallible bind_source(const char *directory, const char *text, int host)
{
	autoclear(Source) source = {0};
	int fd;

	TRY(source_read(&source, text));
	autofree char *target = path_join(directory, source.number);
	TRY(source_take(&fd, &source, host));
	autofd tree = fd;
	TRY(make_target(target, tree));
	return mount_place(tree, target);
}

fallible sources_open_host(int *ret_fd, const ShimSettings *settings)
{
	for (size_t i = 0; i < settings->sources.count; i++) {
		autoclear(Source) source = {0};
		TRY(source_read(&source, settings->sources.items[i]));
		if (string_starts(source.kind, "shared"))
			return file_open(ret_fd, AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY, 0);
	}
	return NULL;
}

fallible sources_bind(const ShimSettings *settings, int host)
{
	autofree char *directory = path_join(settings->bundle, SOURCES_DIRECTORY);

	if (settings->sources.count)
		TRY(dir_make(AT_FDCWD, directory, 0755));
	for (size_t i = 0; i < settings->sources.count; i++)
		TRY(bind_source(directory, settings->sources.items[i], host));
	return NULL;
}
