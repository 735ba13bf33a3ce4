// SPDX-License-Identifier: Apache-2.0
/* GET /containers/{id}/top: the processes of the container's control group, as `ps -ef` shows them. Source: proc(5). */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "docker/internal.h"

enum { PROC_FILE_MAX = 64 << 10, PROCESSES_MAX = 10000, PASSWD_MAX = 1 << 20 };

typedef struct Process {
	long parent;
	unsigned long long ticks, start_ticks; /* user and system time; start since boot */
	int terminal;
	char name[64];
} Process;

/* ---- one process ---- */

/* False when the process has just ended. */
static bool read_proc(char **ret, size_t *ret_length, const char *pid, const char *name)
{
	autofree char *path = string_printf("/proc/%s/%s", pid, name);
	Error *error = file_read(ret, ret_length, AT_FDCWD, path, PROC_FILE_MAX);
	bool is_there = !error;

	error_free(error); /* nothing of it is left to be shown */
	return is_there;
}

static bool is_in_group(const char *pid, const char *cgroup)
{
	autofree char *text = NULL;
	const char *at = read_proc(&text, NULL, pid, "cgroup") ? strstr(text, cgroup) : NULL;
	char after = at ? at[strlen(cgroup)] : 'x';

	return after == '\n' || after == '/';
}

/* The name is in parentheses and may hold any byte: what follows is behind the last one. */
static bool read_stat(Process *ret, const char *pid)
{
	autofree char *text = NULL;
	const char *name = read_proc(&text, NULL, pid, "stat") ? strchr(text, '(') : NULL;
	const char *end = name ? strrchr(text, ')') : NULL;
	unsigned long long user = 0, system = 0;

	*ret = (Process){0};
	if (!end || end < name)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(end - name - 1), name + 1);
	sscanf(end + 2, "%*c %ld %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
		&ret->parent, &ret->terminal, &user, &system, &ret->start_ticks);
	ret->ticks = user + system;
	return true;
}

/* The host's name for a user, as it is in the file: asking the name service could take as long as a network does. */
static char *user_name(const char *passwd, uid_t uid)
{
	for (const char *line = passwd; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		size_t name = strcspn(line, ":\n"), password = name + (line[name] == ':');
		unsigned found;

		password += strcspn(line + password, ":\n");
		if (line[password] == ':' && sscanf(line + password + 1, "%u:", &found) == 1 && found == uid)
			return mem_strndup(line, name);
	}
	return NULL;
}

static void write_owner(Writer *writer, const char *pid, const char *passwd)
{
	autofree char *path = string_printf("/proc/%s", pid);
	struct stat status = {0};

	stat(path, &status);
	autofree char *name = user_name(passwd, status.st_uid);
	if (name)
		write_string(writer, NULL, name);
	else
		write_stringf(writer, NULL, "%u", (unsigned)status.st_uid);
}

static void write_command(Writer *writer, const char *pid, const Process *process)
{
	size_t length = 0;
	autofree char *text = NULL;

	if (!read_proc(&text, &length, pid, "cmdline") || length == 0) {
		write_stringf(writer, NULL, "[%s]", process->name);
		return;
	}
	for (size_t i = 0; i + 1 < length; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	write_string(writer, NULL, text);
}

static void write_start(Writer *writer, const Process *process)
{
	int64_t age_ns =
		clock_monotonic_ns() - (int64_t)process->start_ticks * (NANOS_PER_SECOND / sysconf(_SC_CLK_TCK));
	time_t start = (clock_wall_ns() - age_ns) / NANOS_PER_SECOND;
	struct tm local;
	char text[16];

	localtime_r(&start, &local);
	strftime(text, sizeof(text), age_ns < 24 * 3600 * NANOS_PER_SECOND ? "%H:%M" : "%b%d", &local);
	write_string(writer, NULL, text);
}

static void write_process(Writer *writer, const char *pid, const char *passwd)
{
	unsigned long long seconds;
	Process process;

	if (!read_stat(&process, pid))
		return;
	seconds = process.ticks / sysconf(_SC_CLK_TCK);
	write_array(writer, NULL);
	write_owner(writer, pid, passwd);
	write_string(writer, NULL, pid);
	write_stringf(writer, NULL, "%ld", process.parent);
	write_string(writer, NULL, "0");
	write_start(writer, &process);
	write_string(writer, NULL, process.terminal ? "pts" : "?");
	write_stringf(writer, NULL, "%02llu:%02llu:%02llu", seconds / 3600, seconds / 60 % 60, seconds % 60);
	write_command(writer, pid, &process);
	write_array_end(writer);
}

/* ---- all of them ---- */

typedef struct TopList {
	Writer *writer;
	const char *cgroup, *passwd;
	size_t count;
} TopList;

static fallible visit_process(void *arg, int directory, const char *name, unsigned char type)
{
	TopList *list = arg;

	(void)directory, (void)type;
	if (!isdigit((unsigned char)*name) || list->count >= PROCESSES_MAX || !is_in_group(name, list->cgroup))
		return NULL;
	list->count++;
	write_process(list->writer, name, list->passwd);
	return NULL;
}

static fallible make_top(Buffer *out, const ContainerView *view)
{
	Writer writer;
	autofree char *passwd = NULL;
	TopList list = {.writer = &writer, .cgroup = view->cgroup};

	if (view->pid == 0)
		return error_new(ERROR_CONFLICT, "Container %s is not running", view->id);
	error_free(file_read(&passwd, NULL, AT_FDCWD, "/etc/passwd", PASSWD_MAX)); /* numbers, then */
	list.passwd = passwd;
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_raw(&writer, "Titles", "[\"UID\",\"PID\",\"PPID\",\"C\",\"STIME\",\"TTY\",\"TIME\",\"CMD\"]");
	write_array(&writer, "Processes");
	TRY(dir_each(AT_FDCWD, "/proc", visit_process, &list));
	write_array_end(&writer);
	write_object_end(&writer);
	return NULL;
}

static void container_top(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	autoclear(Buffer) out = {0};
	ContainerView view;
	Error *error;

	if (!container)
		return;
	container_view(container, &view);
	error = make_top(&out, &view);
	if (error)
		http_respond_error(request, error);
	else
		respond_json(request, 200, &out);
}

const HttpRoute top_routes[] = {
	{"GET", "/containers/{id}/top", container_top, 0, 0},
	{0},
};
