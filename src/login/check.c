// SPDX-License-Identifier: Apache-2.0
#include "login/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"
#include "base/strings.h"

enum { FILE_FD = 3, STATUS_WRONG = 1 };

struct LoginCheck {
	Loop *loop;
	char *program, *file;
	pid_t pid;
	Source *child; /* NULL: nobody is asking */
	void (*done)(void *arg, Error *take_error);
	void *arg;
	int64_t wrong_until_ns; /* each wrong try moves it on by LOGIN_PAUSE */
	PasswordFile asked;
};

LoginCheck *login_check_new(Loop *loop, const char *program, const char *file)
{
	LoginCheck *check = mem_new(LoginCheck);

	check->loop = loop;
	check->program = mem_strdup(program);
	check->file = mem_strdup(file);
	return check;
}

LoginCheck *login_check_free(LoginCheck *check)
{
	if (!check)
		return NULL;
	if (check->child)
		orphan_reap(check->loop, check->pid);
	source_free(check->child);
	free(check->program);
	free(check->file);
	free(check);
	return NULL;
}

void login_check_forget(LoginCheck *check)
{
	check->done = NULL;
}

/* ---- how often ---- */

static int64_t wait_ns(const LoginCheck *check)
{
	return check->wrong_until_ns - clock_monotonic_ns() - (LOGIN_TRIES - 1) * LOGIN_PAUSE;
}

static void count_wrong(LoginCheck *check)
{
	int64_t now = clock_monotonic_ns();

	check->wrong_until_ns = (check->wrong_until_ns > now ? check->wrong_until_ns : now) + LOGIN_PAUSE;
}

static fallible check_rate(const LoginCheck *check)
{
	int64_t wait = wait_ns(check);

	if (wait > 0)
		return error_new(ERROR_UNAVAILABLE, "too many wrong passwords: try again in %lld seconds",
			(long long)(wait / NANOS_PER_SECOND) + 1);
	if (check->child)
		return error_new(ERROR_UNAVAILABLE, "somebody else logs in at this moment: try again");
	return NULL;
}

/* ---- asking ---- */

static fallible verdict(int wait_status)
{
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
		return NULL;
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == STATUS_WRONG)
		return error_new(ERROR_UNAUTHORIZED, "user or password is wrong");
	return error_new(ERROR_UNAVAILABLE, "the password could not be checked: kedged's log has the reason");
}

static void on_exit_of_child(void *arg, int wait_status)
{
	LoginCheck *check = arg;
	Error *error = verdict(wait_status);

	check->child = source_free(check->child);
	if (error && error_kind(error) == ERROR_UNAUTHORIZED)
		count_wrong(check);
	if (check->done)
		take(check->done)(check->arg, error);
	else
		error_free(error); /* nobody is there to be told */
}

/* Less than what a pipe takes at once. */
static fallible fill_pipe(int *ret_fd, const char *name, const char *password)
{
	autofree char *text = string_printf("%s\n%s", name, password);
	size_t length = strlen(text);
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd reading = ends[0], writing = ends[1];
	Error *error = file_write_all(writing, text, length, "a pipe");
	explicit_bzero(text, length);
	if (error)
		return error;
	fcntl(reading, F_SETFL, 0);
	*ret_fd = take_fd(&reading);
	return NULL;
}

static fallible open_file(int *ret_fd, LoginCheck *check)
{
	struct stat status;

	TRY_WRAP(file_open(ret_fd, AT_FDCWD, check->file, O_RDONLY, 0), "nobody can log in");
	if (fstat(*ret_fd, &status) < 0)
		return error_errno(errno, "could not look at \"%s\"", check->file);
	check->asked = password_file_of(&status);
	return NULL;
}

static fallible start(LoginCheck *check, const char *name, const char *password)
{
	const char *argv[] = {check->program, "--verify", NULL};
	autofd file = -1, input = -1;

	TRY(open_file(&file, check));
	TRY(fill_pipe(&input, name, password));
	const ProcessSpec spec = {.path = check->program,
		.argv = argv,
		.fds = {{input, STDIN_FILENO}, {file, FILE_FD}},
		.fd_count = 2,
		.new_session = true};
	TRY(process_spawn(&check->pid, &spec));
	return loop_child(&check->child, check->loop, check->pid, on_exit_of_child, check);
}

fallible login_check_begin(LoginCheck *check, const char *name, const char *password,
	void (*done)(void *arg, Error *take_error), void *arg)
{
	TRY(check_rate(check));
	if (strlen(password) > LOGIN_PASSWORD_MAX || !login_name_is_right(name)) {
		count_wrong(check);
		return error_new(ERROR_UNAUTHORIZED, "user or password is wrong");
	}
	TRY(start(check, name, password));
	check->done = done;
	check->arg = arg;
	return NULL;
}

PasswordFile login_check_asked(const LoginCheck *check)
{
	return check->asked;
}

PasswordFile login_check_file(const LoginCheck *check)
{
	struct stat status;

	return stat(check->file, &status) < 0 ? (PasswordFile){0} : password_file_of(&status);
}
