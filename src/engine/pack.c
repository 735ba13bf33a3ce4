// SPDX-License-Identifier: Apache-2.0
#include "engine/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"
#include "engine/internal.h"

enum { PIECE = 64 << 10, COMPLAINT_MAX = 4096 };

struct Pack {
	Engine *engine;
	PackHandlers handlers;
	void *arg;
	pid_t pid; /* 0 once it was reaped */
	int wait_status;
	Source *child, *watch;
	int output;    /* -1 once it has ended */
	int complaint; /* what the process says when it fails */
	StringList leases;
	void (*free_owned)(void *object);
	void *owned;
};

/* ---- the end ---- */

static fallible failure(const Pack *pack)
{
	autofree char *text = NULL;
	char status[64];
	size_t length = 0;
	Error *error;

	if (WIFEXITED(pack->wait_status) && WEXITSTATUS(pack->wait_status) == 0)
		return NULL;
	lseek(pack->complaint, 0, SEEK_SET);
	error = file_read_fd(&text, &length, pack->complaint, "complaint", COMPLAINT_MAX);
	if (!error && length > 1)
		return error_new(WIFEXITED(pack->wait_status) ? error_kind_of_exit_code(WEXITSTATUS(pack->wait_status))
							      : ERROR_INTERNAL,
			"%.*s", (int)length - 1, text);
	error_free(error); /* the exit status says it as well */
	process_status_text(status, sizeof(status), pack->wait_status);
	return error_new(ERROR_INTERNAL, "\"kedge-pack\" ended early: %s", status);
}

/* The process is reaped, and all that it wrote was delivered. */
static void end_if_done(Pack *pack)
{
	if (!pack->pid && pack->output < 0)
		pack->handlers.ended(pack->arg, failure(pack));
}

static void on_exit_of_child(void *arg, int wait_status)
{
	Pack *pack = arg;

	pack->pid = 0;
	pack->wait_status = wait_status;
	end_if_done(pack);
}

static void close_output(Pack *pack)
{
	pack->watch = source_free(pack->watch);
	close_fd(&pack->output);
}

/* ---- what it writes ---- */

static void on_output(void *arg, int fd, unsigned events)
{
	Pack *pack = arg;
	char piece[PIECE];
	ssize_t got = read(fd, piece, sizeof(piece));

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0) {
		pack->handlers.data(pack->arg, piece, (size_t)got);
		return;
	}
	close_output(pack);
	end_if_done(pack);
}

void pack_pause(Pack *pack, bool paused)
{
	if (pack->watch)
		source_set_events(pack->watch, paused ? 0 : LOOP_READ);
}

/* ---- life ---- */

/* Anonymous memory as a file: what the process reads is whole before it starts, what it complains of has an end. */
static fallible memory_file(int *ret, const Buffer *content)
{
	autofd fd = memfd_create("kedge-pack", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	if (content) {
		TRY(file_write_all(fd, content->data, content->length, "input"));
		lseek(fd, 0, SEEK_SET);
	}
	*ret = take_fd(&fd);
	return NULL;
}

static void add_fd(ProcessSpec *spec, int from, int to)
{
	spec->fds[spec->fd_count++] = (ProcessFd){.from = from, .to = to};
}

static fallible spawn(Pack *pack, const PackOptions *options, int output, int input)
{
	autofree char *program = engine_program(pack->engine, "kedge-pack");
	const char *argv[PACK_ARGUMENTS_MAX + 2] = {program};
	ProcessSpec spec = {.path = program, .argv = argv, .directory = options->directory};

	for (size_t i = 0; i < PACK_ARGUMENTS_MAX && options->arguments[i]; i++)
		argv[i + 1] = options->arguments[i];
	add_fd(&spec, output, STDOUT_FILENO);
	add_fd(&spec, pack->complaint, STDERR_FILENO);
	if (input >= 0)
		add_fd(&spec, input, STDIN_FILENO);
	if (options->root_fd)
		add_fd(&spec, options->root_fd, PACK_ROOT_FD);
	return process_spawn(&pack->pid, &spec);
}

static fallible spawn_with_input(Pack *pack, const PackOptions *options, int output)
{
	int input = -1;

	if (options->input)
		TRY(memory_file(&input, options->input));
	Error *error = spawn(pack, options, output, input);
	close_fd(&input);
	return error;
}

static fallible begin(Pack *pack, const PackOptions *options)
{
	int pipes[2];

	TRY(memory_file(&pack->complaint, NULL));
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	pack->output = pipes[0];
	fcntl(pack->output, F_SETFL, O_NONBLOCK);
	Error *error = spawn_with_input(pack, options, pipes[1]);
	close(pipes[1]);
	TRY(error);
	TRY(loop_child(&pack->child, pack->engine->loop, pack->pid, on_exit_of_child, pack));
	return loop_watch(&pack->watch, pack->engine->loop, pack->output, LOOP_READ, on_output, pack);
}

static void hold_leases(Pack *pack, const StringList *leases)
{
	strings_copy(&pack->leases, leases);
	for (size_t i = 0; i < leases->count; i++)
		store_lease(pack->engine->store, leases->items[i]);
}

Pack *pack_new(Engine *engine, const PackHandlers *handlers, void *arg)
{
	Pack *pack = mem_new(Pack);

	*pack = (Pack){.engine = engine, .handlers = *handlers, .arg = arg, .output = -1, .complaint = -1};
	return pack;
}

void pack_own(Pack *pack, void (*free)(void *object), void *object)
{
	pack->free_owned = free;
	pack->owned = object;
}

fallible pack_begin(Pack *pack, const PackOptions *options)
{
	if (options->leases)
		hold_leases(pack, options->leases);
	return begin(pack, options);
}

void pack_fail(Pack *pack, Error *take_error)
{
	pack->handlers.ended(pack->arg, take_error);
}

fallible pack_start(Pack **ret, Engine *engine, const PackOptions *options, const PackHandlers *handlers, void *arg)
{
	autoptr(Pack) pack = pack_new(engine, handlers, arg);

	TRY(pack_begin(pack, options));
	*ret = take(pack);
	return NULL;
}

static void release(void *arg)
{
	Pack *pack = arg;

	strings_clear(&pack->leases);
	free(pack);
}

static void end_leases(Pack *pack)
{
	for (size_t i = 0; i < pack->leases.count; i++)
		store_lease_end(pack->engine->store, pack->leases.items[i]);
	if (pack->leases.count)
		engine_sweep_soon(pack->engine); /* what was removed meanwhile */
}

Pack *pack_free(Pack *pack)
{
	if (!pack)
		return NULL;
	close_output(pack);
	close_fd(&pack->complaint);
	source_free(pack->child);
	if (pack->pid) {
		kill(pack->pid, SIGKILL);
		orphan_reap(pack->engine->loop, pack->pid);
	}
	end_leases(pack);
	if (pack->free_owned)
		pack->free_owned(pack->owned);
	loop_defer_free(pack->engine->loop, release, pack);
	return NULL;
}
