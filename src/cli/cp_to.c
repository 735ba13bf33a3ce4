// SPDX-License-Identifier: Apache-2.0
/* Into a container: a child process writes the archive that the request sends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/cp.h"
#include "pack/tree.h"

typedef struct Sending {
	int directory; /* that the source is in */
	char *base;    /* in it */
	const char *name;
	int64_t size;   /* CpEnd's */
	int64_t *bytes; /* shared with the child */
	int pipe;
	CpMoving moving; /* the child's */
} Sending;

static Error *count_and_write(void *arg, const void *data, size_t length)
{
	Sending *sending = arg;

	*sending->bytes += (int64_t)length;
	TRY(file_write_all(sending->pipe, data, length, "archive"));
	cp_moved(&sending->moving, *sending->bytes);
	return NULL;
}

static fallible write_archive(Sending *sending)
{
	autofd fd = openat(sending->directory, sending->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclear(TarOut) out = {0};

	tar_out_init_sink(&out, count_and_write, sending);
	if (fd >= 0)
		TRY(pack_branch(&out, fd, sending->name, 0));
	else
		TRY(pack_leaf(&out, sending->directory, sending->base, sending->name));
	return tar_out_end(&out);
}

static _Noreturn void child_main(Sending *sending)
{
	Error *error = write_archive(sending);
	bool is_unread = error && error_number(error) == EPIPE; /* kedged's answer says why */

	cp_moving_clear(&sending->moving);
	if (error && !is_unread)
		cli_report(error);
	_exit(error && !is_unread ? EXIT_FAILED : EXIT_OK);
}

static fallible put(Cli *cli, const CpOptions *options, const CpPlace *place, const char *directory, int fd)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", place->container, "/archive");
	target_query(&target, "path", directory);
	target_query(&target, "noOverwriteDirNonDir", "true");
	target_query_flag(&target, "copyUIDGID", options->archive);
	const HttpCall call = {.method = "PUT",
		.target = buffer_text(&target),
		.content_type = "application/x-tar",
		.sends_file = true,
		.file_fd = fd};
	return api_open(cli->client, &call);
}

/* The child's words come before ours, and say it all. */
static fallible end_child(Cli *cli, pid_t pid, Error *take_error)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return take_error;
	cli->status = EXIT_FAILED;
	error_free(take_error); /* follows from the child's */
	return NULL;
}

static fallible send_archive(
	Cli *cli, const CpOptions *options, Sending *sending, const CpPlace *place, const char *directory)
{
	int ends[2];

	sending->bytes = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sending->bytes == MAP_FAILED || pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd read_end = ends[0];
	sending->pipe = ends[1];
	autofree char *shown = string_printf("%s:%s", place->container, place->path);
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(errno, "could not start a process");
	if (pid == 0) {
		close(ends[0]);
		cp_moving_init(&sending->moving, options, shown, sending->size);
		child_main(sending);
	}
	close(ends[1]);
	Error *error = put(cli, options, place, directory, read_end);
	close_fd(&read_end);
	TRY(end_child(cli, pid, error));
	if (cli->status == EXIT_OK)
		cp_tell(options, *sending->bytes, shown);
	return NULL;
}

/* ---- ends ---- */

/* The destination; a link is what it leads to. */
static fallible look_at_target(Cli *cli, CpEnd *ret, CpPlace *place)
{
	for (int links = 0; links < 2; links++) {
		autoclear(CpStat) stat = {0};
		TRY(cp_stat(cli, &stat, place));
		ret->exists = stat.exists;
		ret->is_directory = stat.exists && stat.mode >> CP_MODE_DIRECTORY_BIT;
		if (!stat.exists || !(stat.mode >> CP_MODE_LINK_BIT & 1) || !stat.target)
			break;
		string_replace(&place->path, stat.target);
	}
	ret->path = place->path;
	return NULL;
}

static fallible send_stream(Cli *cli, const CpOptions *options, const CpPlace *place, const CpEnd *target)
{
	int fd;

	if (!target->is_directory)
		return error_new(
			ERROR_INVALID, "destination \"%s:%s\" must be a directory", place->container, place->path);
	TRY(archive_open_input(&fd, cli, NULL));
	autofd input = fd;
	return put(cli, options, place, target->path, input);
}

/* -L: the file, under the name that was given. */
static fallible look_at_source(CpEnd *ret, char **ret_path, const char *source, bool follow)
{
	struct stat status;

	*ret_path = follow ? realpath(source, NULL) : mem_strdup(source);
	if (!*ret_path || lstat(*ret_path, &status) < 0)
		return error_errno(errno, "could not find \"%s\"", source);
	*ret = (CpEnd){.path = *ret_path,
		.exists = true,
		.is_directory = S_ISDIR(status.st_mode),
		.size = S_ISREG(status.st_mode) ? status.st_size : 0};
	return NULL;
}

static fallible send_file(
	Cli *cli, const CpOptions *options, const char *path, const CpPlace *place, const CpEnd *target)
{
	autofree char *real = NULL, *directory = NULL, *name = NULL, *above = NULL, *base = NULL, *own = NULL,
		      *unused = NULL;
	CpEnd source;
	int fd;

	TRY(look_at_source(&source, &real, path, options->follow_link));
	TRY(cp_plan(&directory, &name, &source, target));
	cp_split(real, &above, &base);
	cp_split(path, &unused, &own);
	TRY(dir_open(&fd, AT_FDCWD, above));
	autofd parent = fd;
	Sending sending = {.directory = parent, .base = base, .name = name ? name : own, .size = source.size};
	return send_archive(cli, options, &sending, place, directory);
}

fallible cp_to(Cli *cli, const CpOptions *options, const char *source, const CpPlace *place)
{
	CpPlace found = {place->container, mem_strdup(place->path)};
	CpEnd target = {0};
	Error *error = look_at_target(cli, &target, &found);

	if (!error)
		error = string_equal(source, "-") ? send_stream(cli, options, place, &target)
						  : send_file(cli, options, source, place, &target);
	free(found.path);
	return error;
}
