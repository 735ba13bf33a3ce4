// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/process.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/host.h"
#include "login/password_file.h"

#define FILE_DEFAULT "/etc/kedge/passwords"
#define HINT "kedge passwd --password-stdin NAME < FILE"

enum { HASH_MAX = 256 };

typedef struct PasswdOptions {
	bool help, password_stdin, remove;
	char *file;
} PasswdOptions;

static const Option options[] = {
	HELP_OPTION(PasswdOptions),
	{"file", 'f', OPTION_STRING, offsetof(PasswdOptions, file), "FILE", "file of passwords (" FILE_DEFAULT ")"},
	{"password-stdin", 0, OPTION_SWITCH, offsetof(PasswdOptions, password_stdin),
		.help = "read the password from standard input"},
	{"remove", 0, OPTION_SWITCH, offsetof(PasswdOptions, remove), .help = "take the user away"},
	OPTION_END,
};

/* ---- the password ---- */

static fallible ask_twice(char **ret)
{
	autofree char *first = NULL;
	autofree char *second = NULL;

	TRY(ask_hidden(&first, "Password", HINT));
	TRY(ask_hidden(&second, "Once more", HINT));
	if (!string_equal(first, second))
		return error_new(ERROR_INVALID, "the passwords are not the same");
	*ret = take(first);
	return NULL;
}

static fallible find_password(char **ret, const PasswdOptions *given)
{
	autofree char *password = NULL;

	TRY(given->password_stdin ? ask_input(&password, LOGIN_PASSWORD_MAX) : ask_twice(&password));
	if (string_empty(password) || strlen(password) > LOGIN_PASSWORD_MAX)
		return error_new(ERROR_INVALID, "a password has 1 to %d characters", LOGIN_PASSWORD_MAX);
	*ret = take(password);
	return NULL;
}

/* ---- its hash, which a kedge-login makes ---- */

static fallible run_helper(pid_t *ret_pid, int *ret_in, int *ret_out)
{
	autofree char *program = host_program("kedge-login");
	const char *argv[] = {program, "--hash", NULL};
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd in_read = in[0], in_write = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd out_read = out[0], out_write = out[1];
	const ProcessSpec spec = {.path = program,
		.argv = argv,
		.fds = {{in_read, STDIN_FILENO}, {out_write, STDOUT_FILENO}},
		.fd_count = 2};
	TRY(process_spawn(ret_pid, &spec));
	*ret_in = take_fd(&in_write);
	*ret_out = take_fd(&out_read);
	return NULL;
}

static bool has_succeeded(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

static fallible make_hash(char **ret, const char *password)
{
	autofree char *hash = NULL;
	autofd in = -1, out = -1;
	pid_t pid = 0;

	TRY(run_helper(&pid, &in, &out));
	Error *error = file_write_all(in, password, strlen(password), "kedge-login");
	close_fd(&in);
	if (!error)
		error = file_read_fd(&hash, NULL, out, "kedge-login", HASH_MAX);
	if (!has_succeeded(pid) && !error)
		error = error_new(ERROR_INTERNAL, "kedge-login could not hash the password");
	if (error)
		return error;
	hash[strcspn(hash, "\n")] = '\0';
	*ret = take(hash);
	return NULL;
}

/* ---- the file ---- */

/* Only where there is none yet it is empty: one that cannot be read is not to be replaced. */
static fallible read_file(char **ret, const char *path)
{
	Error *error = file_read(ret, NULL, AT_FDCWD, path, PASSWORD_FILE_MAX);

	if (!error || error_number(error) != ENOENT)
		return error;
	error_free(error);
	*ret = mem_strdup("");
	return NULL;
}

/* Until the descriptor is closed. The directory is what is locked, since the file is another one after each change. */
static fallible lock(int *ret_fd, const char *path)
{
	autofree char *copy = mem_strdup(path);
	const char *directory = dirname(copy);
	autofd fd = -1;

	TRY(dir_open(&fd, AT_FDCWD, directory));
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(errno, "could not lock \"%s\"", directory);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible write_file(const char *path, const char *name, const char *hash)
{
	autoclear(Buffer) changed = {.limit = PASSWORD_FILE_MAX};
	autofree char *text = NULL;
	autofree char *known = NULL;
	autofd locked = -1;

	TRY(lock(&locked, path));
	TRY(read_file(&text, path));
	known = password_file_find(text, name);
	if (!hash && !known)
		return error_new(ERROR_NOT_FOUND, "there is no user \"%s\" in \"%s\"", name, path);
	password_file_set(&changed, text, name, hash);
	if (buffer_overflown(&changed))
		return error_new(ERROR_TOO_LARGE, "\"%s\" would have more than %d bytes", path, PASSWORD_FILE_MAX);
	return file_replace_durable(AT_FDCWD, path, changed.data, changed.length, 0600);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const PasswdOptions *given = opts;
	const char *path = given->file ? given->file : FILE_DEFAULT, *name = arguments->items[0];
	autofree char *password = NULL;
	autofree char *hash = NULL;

	(void)cli;
	if (!login_name_is_right(name))
		return error_new(
			ERROR_INVALID, "user \"%.100s\" has other characters than letters, digits, \"._-@\"", name);
	if (given->remove)
		return write_file(path, name, NULL);
	TRY(find_password(&password, given));
	Error *error = make_hash(&hash, password);
	explicit_bzero(password, strlen(password));
	if (error)
		return error;
	return write_file(path, name, hash);
}

const Command passwd_command = {
	.name = "passwd",
	.usage = "[OPTIONS] NAME",
	.summary = "Set the password with which somebody logs in to the dashboard",
	.options = options,
	.options_size = sizeof(PasswdOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run,
};
