// SPDX-License-Identifier: Apache-2.0
#include "cni/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"
#include "cni/result.h"

enum { READ_SIZE = 16 << 10, WORDS_MAX = 16 << 10, LOCK_FD = 3 };

/* A pipe that the plugin writes into. */
typedef struct Outlet {
	int fd;
	Source *source;
	Buffer text;
} Outlet;

struct CniPlugin {
	Loop *loop;
	char *type;
	pid_t pid; /* 0 once it was reaped */
	Outlet output, words;
	Source *child, *timer;
	int64_t timeout_ns;
	bool is_late;
	CniPluginDone *done;
	void *arg;
};

/* ---- what it writes ---- */

/* Until there is nothing more at the moment. What is over the bound is read and dropped: the plugin is not held up. */
static void outlet_drain(Outlet *outlet)
{
	char data[READ_SIZE];
	ssize_t length;

	while (outlet->fd >= 0 && (length = read(outlet->fd, data, sizeof(data))) != 0) {
		if (length < 0 && errno != EINTR)
			return;
		if (length > 0)
			buffer_add(&outlet->text, data, (size_t)length);
	}
	outlet->source = source_free(outlet->source);
}

static void on_readable(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	outlet_drain(arg);
}

/* *ret_end: the end of the pipe that is the plugin's. */
static fallible outlet_open(Outlet *outlet, int *ret_end, Loop *loop)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	outlet->fd = ends[0];
	*ret_end = ends[1];
	fcntl(outlet->fd, F_SETFL, O_NONBLOCK);
	return loop_watch(&outlet->source, loop, outlet->fd, LOOP_READ, on_readable, outlet);
}

static void outlet_close(Outlet *outlet)
{
	outlet->source = source_free(outlet->source);
	close_fd(&outlet->fd);
	buffer_clear(&outlet->text);
}

/* ---- its end ---- */

static void log_words(const CniPlugin *plugin)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, buffer_text(&plugin->words.text), '\n');
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.items[i])
			log_info("CNI plugin \"%s\": %s", plugin->type, lines.items[i]);
}

/* Owned: its last line. */
static char *last_words(const CniPlugin *plugin)
{
	autofree char *copy = mem_strdup(buffer_text(&plugin->words.text));
	const char *text = string_trim(copy), *line = strrchr(text, '\n');

	return mem_strdup(line ? line + 1 : text);
}

static fallible failure(const CniPlugin *plugin, int wait_status)
{
	char how[64];
	const Buffer *output = &plugin->output.text;
	Error *error = cni_error_parse(buffer_text(output), output->length);

	if (plugin->is_late) {
		error_free(error); /* the reason is ours */
		return error_new(
			ERROR_TIMEOUT, "no answer within %lld s", (long long)(plugin->timeout_ns / NANOS_PER_SECOND));
	}
	if (error)
		return error;
	process_status_text(how, sizeof(how), wait_status);
	autofree char *words = last_words(plugin);
	return error_new(ERROR_INTERNAL, "%s%s%s", how, *words ? ": " : "", words);
}

static fallible judge(const CniPlugin *plugin, int wait_status)
{
	if (wait_status || plugin->is_late)
		return failure(plugin, wait_status);
	if (buffer_overflown(&plugin->output.text))
		return error_new(ERROR_TOO_LARGE, "its answer is larger than %d bytes", CNI_OUTPUT_MAX);
	return NULL;
}

static void on_end(void *arg, int wait_status)
{
	CniPlugin *plugin = arg;

	plugin->pid = 0;
	plugin->timer = source_free(plugin->timer);
	outlet_drain(&plugin->output);
	outlet_drain(&plugin->words);
	log_words(plugin);
	Error *error = judge(plugin, wait_status);
	if (error)
		error = error_wrap(error, "plugin \"%s\"", plugin->type);
	plugin->done(plugin->arg, error, buffer_text(&plugin->output.text), plugin->output.text.length);
}

/* It has a session of its own: what it has started goes with it. */
static void kill_all(const CniPlugin *plugin)
{
	if (plugin->pid)
		kill(-plugin->pid, SIGKILL);
}

static void on_timeout(void *arg)
{
	CniPlugin *plugin = arg;

	plugin->is_late = true;
	kill_all(plugin);
}

/* ---- its beginning ---- */

static fallible find(char **ret, const CniCall *call)
{
	autofree char *all = strings_join(call->directories, ", ");

	for (size_t i = 0; i < call->directories->count; i++) {
		autofree char *path = path_join(call->directories->items[i], call->type);
		if (access(path, X_OK) == 0) {
			*ret = take(path);
			return NULL;
		}
	}
	return error_hint(error_new(ERROR_INVALID, "plugin \"%s\" is in none of: %s", call->type, all),
		"\"cniPluginDirectories\" says where plugins are; Debian has them in containernetworking-plugins");
}

static fallible open_input(int *ret_fd, const char *text)
{
	autofd fd = memfd_create("cni", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	TRY(file_write_all(fd, text, strlen(text), "configuration of a plugin"));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(errno, "could not rewind a file in memory");
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible spawn(CniPlugin *plugin, const CniCall *call)
{
	autofree char *path = NULL;
	autofd input = -1, output = -1, words = -1;

	TRY(find(&path, call));
	TRY(open_input(&input, call->input));
	TRY(outlet_open(&plugin->output, &output, plugin->loop));
	TRY(outlet_open(&plugin->words, &words, plugin->loop));
	const ProcessSpec spec = {
		.path = path,
		.argv = (const char *const[]){path, NULL},
		.env = (const char *const *)call->environment->items,
		.directory = "/",
		.fds = {{input, STDIN_FILENO}, {output, STDOUT_FILENO}, {words, STDERR_FILENO}, {call->lock, LOCK_FD}},
		.fd_count = call->lock >= 0 ? 4 : 3,
		.new_session = true,
	};
	TRY(process_spawn(&plugin->pid, &spec));
	return loop_child(&plugin->child, plugin->loop, plugin->pid, on_end, plugin);
}

fallible cni_plugin_start(CniPlugin **ret, Loop *loop, const CniCall *call, CniPluginDone *done, void *arg)
{
	autoptr(CniPlugin) plugin = mem_new(CniPlugin);

	plugin->loop = loop;
	plugin->type = mem_strdup(call->type);
	plugin->output.fd = plugin->words.fd = -1;
	plugin->timeout_ns = call->timeout_ns;
	plugin->done = done;
	plugin->arg = arg;
	buffer_init(&plugin->output.text, CNI_OUTPUT_MAX);
	buffer_init(&plugin->words.text, WORDS_MAX);
	TRY(loop_timer(&plugin->timer, loop, call->timeout_ns, on_timeout, plugin));
	TRY(spawn(plugin, call));
	*ret = take(plugin);
	return NULL;
}

CniPlugin *cni_plugin_free(CniPlugin *plugin)
{
	if (!plugin)
		return NULL;
	source_free(plugin->child);
	source_free(plugin->timer);
	kill_all(plugin);
	if (plugin->pid)
		orphan_reap(plugin->loop, plugin->pid);
	outlet_close(&plugin->output);
	outlet_close(&plugin->words);
	free(plugin->type);
	free(plugin);
	return NULL;
}
