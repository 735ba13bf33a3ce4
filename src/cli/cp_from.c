// SPDX-License-Identifier: Apache-2.0
/* Out of a container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/cp.h"
#include "cli/extract.h"

static void archive_target(Buffer *out, const CpPlace *place)
{
	target_path(out, "/containers/", place->container, "/archive");
	target_query(out, "path", place->path);
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* What cannot be written to is said before anything is read. */
static fallible check_target(const char *path)
{
	autofree char *directory = NULL, *base = NULL;
	struct stat status;

	cp_split(path, &directory, &base);
	if (!is_directory(directory))
		return error_new(ERROR_INVALID, "invalid output path: directory \"%s\" does not exist", directory);
	if (lstat(path, &status) == 0 && !S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode) &&
		!S_ISLNK(status.st_mode))
		return error_new(ERROR_INVALID, "\"%s\" must be a directory or a regular file", path);
	return NULL;
}

/* A link at the end is what it leads to, also where nothing is yet. */
static fallible look_at_target(CpEnd *ret, char **ret_path, const char *path)
{
	struct stat status;
	autofree char *found = is_directory(path) ? NULL : realpath(path, NULL);

	*ret_path = found ? take(found) : mem_strdup(path);
	ret->exists = stat(*ret_path, &status) == 0;
	if (!ret->exists && lstat(*ret_path, &status) == 0)
		return error_new(ERROR_INVALID, "\"%s\" is a link to nothing", path);
	ret->is_directory = ret->exists && S_ISDIR(status.st_mode);
	ret->path = *ret_path;
	return NULL;
}

static fallible extract_to(Cli *cli, const CpOptions *options, const CpEnd *source, const char *path)
{
	autofree char *found = NULL, *directory = NULL, *name = NULL, *above = NULL, *base = NULL;
	autoclear(CpMoving) moving = {0};
	CpEnd target = {0};
	int64_t bytes;
	int fd;

	TRY(look_at_target(&target, &found, path));
	TRY(cp_plan(&directory, &name, source, &target));
	cp_split(source->path, &above, &base);
	TRY(dir_open(&fd, AT_FDCWD, directory));
	autofd root = fd;
	cp_moving_init(&moving, options, path, source->size);
	const ExtractPlan plan = {.directory = root,
		.from = base,
		.to = name ? name : source->name,
		.keeps_owner = options->archive && geteuid() == 0,
		.moved = cp_moved,
		.arg = &moving};
	TRY(extract_answer(cli->client, &plan, &bytes));
	progress_wipe(moving.progress);
	cp_tell(options, bytes, path);
	return NULL;
}

/* -L: what the link leads to, under the link's name. */
static fallible follow(Cli *cli, CpPlace *place, CpStat *stat, char **ret_name)
{
	autofree char *above = NULL;

	if (!stat->target || !(stat->mode >> CP_MODE_LINK_BIT & 1))
		return NULL;
	cp_split(place->path, &above, ret_name);
	string_replace(&place->path, stat->target);
	cp_stat_clear(stat);
	*stat = (CpStat){0};
	return cp_stat(cli, stat, place);
}

static fallible copy_out(Cli *cli, const CpOptions *options, CpPlace *place, const char *target)
{
	autofree char *name = NULL;
	autoclear(CpStat) stat = {0};
	autoclear(Buffer) call_target = {0};

	TRY(cp_stat(cli, &stat, place));
	if (options->follow_link)
		TRY(follow(cli, place, &stat, &name));
	archive_target(&call_target, place);
	if (string_equal(target, "-"))
		return archive_receive(cli, buffer_text(&call_target), NULL);
	TRY(check_target(target));
	const HttpCall call = {.method = "GET", .target = buffer_text(&call_target)};
	TRY(api_open(cli->client, &call));
	const bool is_directory = stat.mode >> CP_MODE_DIRECTORY_BIT;
	const CpEnd source = {.path = place->path,
		.exists = true,
		.is_directory = is_directory,
		.name = name,
		.size = is_directory ? 0 : stat.size};
	return extract_to(cli, options, &source, target);
}

fallible cp_from(Cli *cli, const CpOptions *options, const CpPlace *source, const char *target)
{
	CpPlace place = {source->container, mem_strdup(source->path)};
	Error *error = copy_out(cli, options, &place, target);

	free(place.path);
	return error;
}
