// SPDX-License-Identifier: Apache-2.0
#include "cli/archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/api.h"

enum { PIECE_MAX = 1 << 20 };

typedef struct Receiving {
	HttpClient *client;
	ArchiveMoved *moved;
	void *arg;
} Receiving;

static fallible copy(const Receiving *receiving, int fd, const char *name)
{
	autoclear(Buffer) data = {.limit = PIECE_MAX};
	int64_t bytes = 0;
	bool end = false;

	while (!end) {
		buffer_truncate(&data, 0);
		TRY(http_client_read(receiving->client, &data, &end));
		TRY(file_write_all(fd, buffer_text(&data), data.length, name));
		bytes += (int64_t)data.length;
		if (receiving->moved)
			receiving->moved(receiving->arg, bytes);
	}
	return NULL;
}

/* ---- into a file ---- */

static fallible take_name(int fd, const char *temporary, const char *output)
{
	mode_t mask = umask(0);

	umask(mask);
	if (fchmod(fd, 0666 & ~mask) < 0 || rename(temporary, output) < 0)
		return error_errno(errno, "could not write \"%s\"", output);
	return NULL;
}

static fallible receive_file(const Receiving *receiving, const char *output)
{
	autofree char *temporary = string_printf("%s.XXXXXX", output);
	autofd fd = mkostemp(temporary, O_CLOEXEC);
	Error *error;

	if (fd < 0)
		return error_errno(errno, "could not write \"%s\"", output);
	error = copy(receiving, fd, output);
	if (!error)
		error = take_name(fd, temporary, output);
	if (error)
		unlink(temporary);
	return error;
}

/* What is there and no file ("/dev/null", a pipe) is written to as it is. */
static fallible receive_special(const Receiving *receiving, const char *output)
{
	int fd;

	TRY(file_open(&fd, AT_FDCWD, output, O_WRONLY, 0));
	autofd file = fd;
	return copy(receiving, file, output);
}

static bool is_special(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

fallible archive_receive_told(Cli *cli, const char *target, const char *output, ArchiveMoved *moved, void *arg)
{
	const HttpCall call = {.method = "GET", .target = target};
	const Receiving receiving = {cli->client, moved, arg};

	if (!output && isatty(STDOUT_FILENO))
		return error_hint(error_new(ERROR_INVALID, "standard output is a terminal"),
			"kedge %s --output FILE, or redirect it", cli->command->name);
	TRY(api_open(cli->client, &call));
	if (!output)
		return copy(&receiving, STDOUT_FILENO, "standard output");
	return is_special(output) ? receive_special(&receiving, output) : receive_file(&receiving, output);
}

fallible archive_receive(Cli *cli, const char *target, const char *output)
{
	return archive_receive_told(cli, target, output, NULL, NULL);
}

/* ---- from a file ---- */

fallible archive_open_input(int *ret_fd, const Cli *cli, const char *path)
{
	if (path && !string_equal(path, "-"))
		return file_open(ret_fd, AT_FDCWD, path, O_RDONLY, 0);
	if (isatty(STDIN_FILENO))
		return error_hint(error_new(ERROR_INVALID, "standard input is a terminal"), "kedge %s < FILE",
			cli->command->name);
	*ret_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return NULL;
}
