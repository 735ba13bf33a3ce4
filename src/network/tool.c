// SPDX-License-Identifier: Apache-2.0
#include "network/tool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"
#include "base/strings.h"

enum { OUTPUT_MAX = 1024 * 1024, COMPLAINT_MAX = 500 };

struct Tool {
	Loop *loop;
	char *name;
	int output, complaint; /* files in memory */
	pid_t pid;             /* 0: it has ended */
	Source *child, *limit;
	bool is_late;
	ToolHandler *handler;
	void *arg;
};

static fallible memory_file(int *ret, const char *text)
{
	autofd fd = memfd_create("kedge-tool", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	if (text) {
		TRY(file_write_all(fd, text, strlen(text), "file in memory"));
		if (lseek(fd, 0, SEEK_SET) < 0)
			return error_errno(errno, "could not rewind a file in memory");
	}
	*ret = take_fd(&fd);
	return NULL;
}

static fallible read_back(char **ret, int fd, size_t max)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(errno, "could not rewind a file in memory");
	return file_read_fd(ret, NULL, fd, "output", max);
}

/* In one line, and not all of it. */
static char *complaint_of(const Tool *tool)
{
	char *text = NULL, *trimmed;
	Error *error = read_back(&text, tool->complaint, OUTPUT_MAX);

	if (error) {
		error_free(error); /* then there is nothing to add to the exit status */
		return mem_strdup("");
	}
	if (strlen(text) > COMPLAINT_MAX)
		text[COMPLAINT_MAX] = '\0';
	trimmed = string_trim(text);
	for (char *at = trimmed; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	memmove(text, trimmed, strlen(trimmed) + 1);
	return text;
}

static fallible result_of(const Tool *tool, int wait_status, char **ret_output)
{
	autofree char *complaint = NULL;
	char status[64];

	if (wait_status == 0)
		return read_back(ret_output, tool->output, OUTPUT_MAX);
	if (tool->is_late)
		return error_new(
			ERROR_TIMEOUT, "\"%s\" did not end in %d s", tool->name, (int)(TOOL_LIMIT / NANOS_PER_SECOND));
	process_status_text(status, sizeof status, wait_status);
	complaint = complaint_of(tool);
	return error_new(
		ERROR_UNAVAILABLE, "\"%s\" failed: %s%s%s", tool->name, status, *complaint ? ": " : "", complaint);
}

static void on_end(void *arg, int wait_status)
{
	Tool *tool = arg;
	autofree char *output = NULL;
	Error *error;

	tool->pid = 0;
	tool->limit = source_free(tool->limit);
	error = result_of(tool, wait_status, &output);
	tool->handler(tool->arg, error, output);
}

static void on_limit(void *arg)
{
	Tool *tool = arg;

	tool->is_late = true;
	kill(tool->pid, SIGKILL);
}

/* Where to find programs, and the system's message bus where that is not in its place. */
static void make_environment(StringList *ret)
{
	static const char *const names[] = {"PATH", "DBUS_SYSTEM_BUS_ADDRESS"};

	strings_add(ret, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *value = getenv(names[i]);
		autofree char *both = value ? string_printf("%s=%s", names[i], value) : NULL;
		if (both)
			strings_env_set(ret, both);
	}
}

static fallible spawn_tool(Tool *tool, const char *const *argv, int input)
{
	autoclear(StringList) environment = {0};
	make_environment(&environment);
	const ProcessSpec spec = {
		.path = argv[0],
		.argv = argv,
		.env = (const char *const *)environment.items,
		.fds = {{tool->output, 1}, {tool->complaint, 2}, {input, 0}},
		.fd_count = input < 0 ? 2 : 3,
	};

	return process_spawn(&tool->pid, &spec);
}

Error *tool_start(Tool **ret, Loop *loop, const char *const *argv, const char *input, ToolHandler *handler, void *arg)
{
	autoptr(Tool) tool = mem_new(Tool);
	autofd input_fd = -1;

	*tool = (Tool){.loop = loop, .output = -1, .complaint = -1, .handler = handler, .arg = arg};
	tool->name = mem_strdup(argv[0]);
	TRY(memory_file(&tool->output, NULL));
	TRY(memory_file(&tool->complaint, NULL));
	if (input)
		TRY(memory_file(&input_fd, input));
	TRY(spawn_tool(tool, argv, input_fd));
	TRY(loop_child(&tool->child, loop, tool->pid, on_end, tool));
	TRY(loop_timer(&tool->limit, loop, TOOL_LIMIT, on_limit, tool));
	*ret = take(tool);
	return NULL;
}

Tool *tool_free(Tool *tool)
{
	if (!tool)
		return NULL;
	source_free(tool->limit);
	source_free(tool->child);
	if (tool->pid > 0) {
		kill(tool->pid, SIGKILL);
		orphan_reap(tool->loop, tool->pid);
	}
	close_fd(&tool->output);
	close_fd(&tool->complaint);
	free(tool->name);
	free(tool);
	return NULL;
}
