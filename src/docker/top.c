// SPDX-License-Identifier: Apache-2.0
/* GET /containers/{id}/top: the processes of the container's control group, as ps(1) shows them. Source: proc(5). */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/member.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/ps_columns.h"

enum { PROC_FILE_MAX = 64 << 10, PROCESSES_MAX = 10000, PASSWD_MAX = 1 << 20 };

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

/* The name is in parentheses and may hold any byte: what follows is behind the last one. */
static bool read_stat(PsProcess *process)
{
	autofree char *text = NULL;
	const char *name = read_proc(&text, NULL, process->pid, "stat") ? strchr(text, '(') : NULL;
	const char *end = name ? strrchr(text, ')') : NULL;
	unsigned long long user = 0, system = 0;

	if (!end || end < name)
		return false;
	snprintf(process->name, sizeof(process->name), "%.*s", (int)(end - name - 1), name + 1);
	sscanf(end + 2,
		"%c %ld %ld %ld %d %ld %*u %*u %*u %*u %*u %llu %llu %*d %*d %ld %ld %ld %*d %llu %llu %ld %*u %*u "
		"%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %ld",
		&process->state, &process->parent, &process->group, &process->session, &process->terminal,
		&process->terminal_group, &user, &system, &process->priority, &process->nice, &process->threads,
		&process->start_ticks, &process->bytes, &process->pages, &process->processor);
	process->ticks = user + system;
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

static void read_owner(PsProcess *process, const char *passwd)
{
	autofree char *path = string_printf("/proc/%s", process->pid);
	struct stat status = {0};

	stat(path, &status);
	process->uid = status.st_uid;
	process->user = user_name(passwd, status.st_uid);
}

static void read_command(PsProcess *process)
{
	autofree char *text = NULL;
	size_t length = 0;

	if (!read_proc(&text, &length, process->pid, "cmdline") || length == 0)
		return;
	for (size_t i = 0; i + 1 < length; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	process->command = take(text);
}

static void write_process(Writer *writer, const PsFormat *format, const char *pid, const char *passwd)
{
	autoclear(PsProcess) process = {.pid = pid};

	if (!read_stat(&process))
		return;
	read_owner(&process, passwd);
	read_command(&process);
	write_array(writer, NULL);
	for (size_t i = 0; i < format->count; i++) {
		autoclear(Buffer) text = {0};
		format->items[i].column->write(&text, &process);
		write_string(writer, NULL, buffer_text(&text));
	}
	write_array_end(writer);
}

/* ---- all of them ---- */

typedef struct TopList {
	Writer *writer;
	const PsFormat *format;
	const char *cgroup, *passwd;
	size_t count;
} TopList;

static fallible visit_process(void *arg, int directory, const char *name, unsigned char type)
{
	TopList *list = arg;

	(void)type;
	if (!isdigit((unsigned char)*name) || list->count >= PROCESSES_MAX || !member_of(list->cgroup, directory, name))
		return NULL;
	list->count++;
	write_process(list->writer, list->format, name, list->passwd);
	return NULL;
}

static void write_titles(Writer *writer, const PsFormat *format)
{
	write_array(writer, "Titles");
	for (size_t i = 0; i < format->count; i++)
		write_string(writer, NULL, format->items[i].title);
	write_array_end(writer);
}

static fallible make_top(Buffer *out, const ContainerView *view, const char *arguments)
{
	PsFormat format;
	Writer writer;
	autofree char *passwd = NULL;
	TopList list = {.writer = &writer, .format = &format, .cgroup = view->cgroup};

	if (view->pid == 0)
		return error_new(ERROR_CONFLICT, "Container %s is not running", view->id);
	TRY(ps_format_read(&format, arguments));
	error_free(file_read(&passwd, NULL, AT_FDCWD, "/etc/passwd", PASSWD_MAX)); /* numbers, then */
	list.passwd = passwd;
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_titles(&writer, &format);
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
	error = make_top(&out, &view, http_request_query(request, "ps_args"));
	respond_json_or_error(request, error, &out);
}

const HttpRoute top_routes[] = {
	{"GET", "/containers/{id}/top", container_top, 0, 0},
	{0},
};
