// SPDX-License-Identifier: Apache-2.0
#include "cli/credential_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/strings.h"
#include "json/writer.h"

enum { ANSWER_MAX = 64 << 10, NAME_MAX_LENGTH = 64 };

#define NOT_FOUND "credentials not found in native keychain"
#define TOKEN_NAME "<token>" /* the secret is an identity token then, of nobody by name */

/* ---- running ---- */

/* It becomes part of a program's name. */
static fallible check_name(const char *helper)
{
	size_t length = strlen(helper);

	if (length > 0 && length <= NAME_MAX_LENGTH &&
		strspn(helper, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length)
		return NULL;
	return error_new(
		ERROR_INVALID, "invalid credential helper \"%.80s\": it must be letters, digits and \"._-\"", helper);
}

/* A file in memory: however little of it the program reads, nobody waits. */
static fallible open_input(int *ret, const char *text)
{
	autofd fd = memfd_create("credential-helper", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0)
		return error_errno(errno, "could not write to a file in memory");
	*ret = take_fd(&fd);
	return NULL;
}

static fallible spawn(pid_t *ret, const char *program, const char *action, int input, int output)
{
	const char *argv[] = {program, action, NULL};

	return process_spawn(ret, &(ProcessSpec){.path = program,
					  .argv = argv,
					  .env = (const char *const *)environ,
					  .fds = {{input, STDIN_FILENO}, {output, STDOUT_FILENO}},
					  .fd_count = 2});
}

/* One that says more than is read is not left waiting for a reader. */
static fallible collect(char **ret, int take_output, pid_t pid, int *ret_status)
{
	autofd output = take_output;
	Error *error = file_read_fd(ret, NULL, output, "its answer", ANSWER_MAX);

	close_fd(&output);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return error;
}

static fallible ask(char **ret, int *ret_status, const char *helper, const char *action, const char *text)
{
	autofree char *program = string_printf("docker-credential-%s", helper);
	autofd input = -1, reading = -1, writing = -1;
	int ends[2];
	pid_t pid;

	TRY(open_input(&input, text));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	reading = ends[0];
	writing = ends[1];
	TRY(spawn(&pid, program, action, input, writing));
	close(take_fd(&writing));
	return collect(ret, take_fd(&reading), pid, ret_status);
}

/* *ret is NULL when the helper knows nothing of it. */
static fallible run(char **ret, const char *helper, const char *action, const char *text)
{
	autofree char *answer = NULL;
	char ended[64];
	int status = 0;

	TRY(check_name(helper));
	TRY_WRAP(ask(&answer, &status, helper, action, text), "credential helper \"%s\"", helper);
	if (status == 0) {
		*ret = take(answer);
		return NULL;
	}
	answer[strcspn(answer, "\r\n")] = '\0';
	if (string_equal(answer, NOT_FOUND))
		return NULL;
	process_status_text(ended, sizeof(ended), status);
	return error_new(ERROR_UNAVAILABLE, "credential helper \"%s\" could not %s: %.300s", helper, action,
		answer[0] ? answer : ended);
}

/* ---- the three actions ---- */

fallible helper_get(Credentials *ret, const char *helper, const char *server)
{
	autofree char *answer = NULL;
	autoptr(Value) value = NULL;

	TRY(run(&answer, helper, "get", server));
	if (!answer)
		return NULL;
	TRY_WRAP(value_parse(&value, answer, strlen(answer)), "answer of credential helper \"%s\"", helper);
	const char *name = value_string(value_get(value, "Username"));
	const char *secret = value_string(value_get(value, "Secret"));
	if (string_equal(name, TOKEN_NAME)) {
		ret->identity_token = mem_strdup(secret);
		return NULL;
	}
	ret->username = mem_strdup(name);
	ret->password = mem_strdup(secret);
	return NULL;
}

fallible helper_store(const char *helper, const char *server, const Credentials *credentials)
{
	bool has_token = credentials->identity_token != NULL;
	autoclear(Buffer) text = {0};
	autofree char *answer = NULL;
	Writer writer;

	writer_init(&writer, &text);
	write_object(&writer, NULL);
	write_string(&writer, "ServerURL", server);
	write_string(&writer, "Username", has_token ? TOKEN_NAME : credentials->username);
	write_string(&writer, "Secret", has_token ? credentials->identity_token : credentials->password);
	write_object_end(&writer);
	return run(&answer, helper, "store", buffer_text(&text));
}

fallible helper_erase(const char *helper, const char *server, bool *ret_removed)
{
	autofree char *answer = NULL;

	TRY(run(&answer, helper, "erase", server));
	*ret_removed = answer != NULL;
	return NULL;
}
