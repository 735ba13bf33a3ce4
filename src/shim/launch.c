// SPDX-License-Identifier: Apache-2.0
#include "shim/launch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "shim/console.h"
#include "shim/flat.h"

enum { WORDS_MAX = 48, LOG_TAIL = 2048, ADOPTION_MS = 200 };

static const char pid_file_name[] = "pid", log_file_name[] = "runtime.log";

typedef struct Command {
	const char *words[WORDS_MAX];
	size_t count;
} Command;

static void add(Command *command, const char *word)
{
	if (command->count < WORDS_MAX - 1)
		command->words[command->count++] = word;
}

static void add_option(Command *command, const char *name, const char *value)
{
	add(command, name);
	add(command, value);
}

static void command_begin(Command *command, const ShimSettings *settings, const char *log_file)
{
	*command = (Command){.count = 0};
	add(command, settings->runtime);
	for (size_t i = 0; i < settings->runtime_options.count; i++)
		add(command, settings->runtime_options.items[i]);
	add_option(command, "--root", settings->runtime_root);
	add_option(command, "--log", log_file);
	/* crun writes a command's failed exec to the container's standard error in this format: plain text is for
	 * people. */
	add_option(command, "--log-format", settings->is_crun ? "text" : "json");
	if (settings->is_crun)
		add_option(command, "--cgroup-manager", "cgroupfs");
}

/* ---- spawning ---- */

static void set_oom_score(const char *score)
{
	autofd fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* Lowering needs CAP_SYS_RESOURCE; without it the shim lives as any other process. */
	if (fd >= 0 && write(fd, score, strlen(score)) < 0)
		return;
}

void launch_protect(void)
{
	set_oom_score("-999");
}

void launch_unprotect(void)
{
	set_oom_score("0");
}

static void give_stream(ProcessSpec *spec, int fd, int number)
{
	if (fd >= 0)
		spec->fds[spec->fd_count++] = (ProcessFd){fd, number};
}

static fallible command_spawn(
	pid_t *ret, const Command *command, const ShimSettings *settings, const ProgramStreams *streams)
{
	ProcessSpec spec = {.path = settings->runtime,
		.program_fd = settings->runtime_fd > 0 ? (int)settings->runtime_fd : 0,
		.argv = command->words,
		.new_session = true};

	give_stream(&spec, streams->in, STDIN_FILENO);
	give_stream(&spec, streams->out, STDOUT_FILENO);
	give_stream(&spec, streams->err, STDERR_FILENO);
	launch_unprotect(); /* it is inherited */
	Error *error = process_spawn(ret, &spec);
	launch_protect();
	return error;
}

void launch_forget_earlier(void)
{
	unlink(pid_file_name);
	unlink(log_file_name);
}

Error *launch_run(pid_t *ret, const ShimSettings *settings, const ProgramStreams *streams)
{
	Command command;

	command_begin(&command, settings, log_file_name);
	add(&command, "run");
	add(&command, "--detach");
	add_option(&command, "--bundle", settings->bundle);
	add_option(&command, "--pid-file", pid_file_name);
	if (settings->has_terminal)
		add_option(&command, "--console-socket", console_name);
	add(&command, settings->id);
	launch_forget_earlier();
	return command_spawn(ret, &command, settings, streams);
}

Error *launch_exec(pid_t *ret, const ShimSettings *settings, const LaunchExec *exec)
{
	Command command;

	command_begin(&command, settings, exec->log_file);
	add(&command, "exec");
	add(&command, "--detach");
	add_option(&command, "--process", exec->process_file);
	add_option(&command, "--pid-file", exec->pid_file);
	if (exec->has_terminal)
		add_option(&command, "--console-socket", console_name);
	add(&command, settings->id);
	unlink(exec->pid_file);
	unlink(exec->log_file);
	return command_spawn(ret, &command, settings, &exec->streams);
}

Error *launch_delete(pid_t *ret, const ShimSettings *settings)
{
	Command command;

	command_begin(&command, settings, log_file_name);
	add(&command, "delete");
	add(&command, "--force");
	add(&command, settings->id);
	return command_spawn(ret, &command, settings, &(ProgramStreams){-1, -1, -1});
}

/* ---- what the runtime wrote ---- */

static pid_t read_number(const char *pid_file)
{
	char text[RUNTIME_NAME_MAX];
	autofd fd = open(pid_file, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	pid_t pid = 0;

	for (ssize_t i = 0; i < count && isdigit((unsigned char)text[i]) && pid < 100 * 1000 * 1000; i++)
		pid = pid * 10 + (text[i] - '0');
	return pid;
}

static bool is_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* A process between the runtime and the container's may need a moment to end, before this is its parent. */
pid_t launch_read_pid(const char *pid_file)
{
	static const struct timespec moment = {.tv_nsec = 1000 * 1000};
	pid_t pid = read_number(pid_file);

	for (int round = 0; pid > 1 && round < ADOPTION_MS; round++) {
		if (is_child(pid))
			return pid;
		if (kill(pid, 0) < 0)
			break;
		nanosleep(&moment, NULL);
	}
	return 0;
}

/* Gives the number of bytes of the file's end, and whether they begin in the middle of a line. */
static size_t read_tail(char text[LOG_TAIL], const char *log_file)
{
	autofd fd = open(log_file, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t count = size <= 0 ? 0 : pread(fd, text, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);

	return count < 0 ? 0 : (size_t)count;
}

/* A line in JSON has a level and a message. */
static bool read_json_reason(char ret[RUNTIME_REASON_MAX], char *line, size_t length)
{
	FlatField fields[] = {{"msg", NULL, 0}, {"level", NULL, 0}};

	if (!flat_read(fields, 2, line, length) || !fields[0].text || !fields[1].text)
		return false;
	if (fields[1].length != 5 || memcmp(fields[1].text, "error", 5))
		return false;
	snprintf(ret, RUNTIME_REASON_MAX, "%.*s", (int)fields[0].length, fields[0].text);
	return true;
}

/* One in plain text may begin with its time: "2026-11-22T16:59:32.234377Z: ". */
static bool read_text_reason(char ret[RUNTIME_REASON_MAX], const char *line, size_t length)
{
	const char *colon = memmem(line, length, "Z: ", 3);

	if (colon && isdigit((unsigned char)line[0]) && memchr(line, 'T', length)) {
		length -= (size_t)(colon + 3 - line);
		line = colon + 3;
	}
	while (length && isspace((unsigned char)line[length - 1]))
		length--;
	snprintf(ret, RUNTIME_REASON_MAX, "%.*s", (int)length, line);
	return length;
}

bool launch_read_reason(char ret[RUNTIME_REASON_MAX], const char *log_file)
{
	char text[LOG_TAIL];
	size_t end = read_tail(text, log_file);

	while (end) {
		char *newline = memrchr(text, '\n', end - 1);
		char *line = newline ? newline + 1 : text;
		size_t length = end - (size_t)(line - text);
		if (*line == '{' ? read_json_reason(ret, line, length) : read_text_reason(ret, line, length))
			return true;
		end = (size_t)(line - text);
	}
	return false;
}

static const struct {
	const char *words;
	int code;
} reason_codes[] = {
	{"executable file", 127}, /* `x` not found in $PATH */
	{"missing dynamic library", 127},
	{": no such file or directory", 127}, /* runc: exec: "/x": stat /x: no such file or directory */
	{"open executable: ", 126},
	{"xec format error", 126},
	{"exec container process", 126},
	{"permission denied", 126},
};

int launch_reason_code(const char *reason)
{
	bool is_about_command = strstr(reason, "exec");

	for (size_t i = 0; is_about_command && i < sizeof(reason_codes) / sizeof(*reason_codes); i++)
		if (strcasestr(reason, reason_codes[i].words))
			return reason_codes[i].code;
	return 0;
}
