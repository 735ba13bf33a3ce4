// SPDX-License-Identifier: Apache-2.0
#include "engine/copy_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/files.h"
#include "fetch/unpack_client.h"
#include "runtime/spec_words.h"
#include "runtime/user.h"
#include "store/snapshots.h"

#define LOOK_AGAIN (10 * NANOS_PER_MILLI) /* for a container that starts or is cleaned up to be one or the other */
#define PATIENCE (30 * NANOS_PER_SECOND)  /* for that */
#define STALL_MAX (3 * NANOS_PER_SECOND)  /* of a client that somebody else waits for */
#define STALL_LOOK (500 * NANOS_PER_MILLI)

enum { PIPE_SIZE = 1 << 20, QUEUE_WELCOME = 64 << 10 };

struct CopyIn {
	Container *container;
	CopyInHandlers handlers;
	void *arg;
	char *path, *name;
	UnpackCopy options;
	Source *timer;    /* waits for the container, then watches over the client */
	int64_t moved_ns; /* when data came last, or waiting began */
	bool holds;       /* counted in container->copies */
	Unpacker *unpacker;
	int pipe; /* -1: not there yet, or closed behind the last byte */
	Source *watch;
	Buffer queue;
	size_t taken;
	bool finished; /* all data is in the queue */
	bool is_full;  /* the caller waits for drained */
	bool ended;
};

/* ---- the end ---- */

/* Who waits for the container's files goes on. */
static void let_go(CopyIn *copy)
{
	Container *container = copy->container;

	if (!copy->holds)
		return;
	copy->holds = false;
	if (--container->copies == 0 && !container->shim && !container->cleaning)
		container_run_cleaned(container);
}

static void close_pipe(CopyIn *copy)
{
	copy->watch = source_free(copy->watch);
	close_fd(&copy->pipe);
}

static void stop_work(CopyIn *copy)
{
	copy->ended = true;
	copy->timer = source_free(copy->timer);
	copy->unpacker = unpacker_free(copy->unpacker);
	close_pipe(copy);
	let_go(copy);
}

static Error *explained(const CopyIn *copy, Error *take_error)
{
	if (!take_error || error_kind(take_error) != ERROR_NOT_FOUND)
		return take_error;
	error_free(take_error); /* said in Docker's words */
	return error_new(
		ERROR_NOT_FOUND, "Could not find the file %.1000s in container %.300s", copy->path, copy->name);
}

static void end(CopyIn *copy, Error *take_error)
{
	if (copy->ended) {
		error_free(take_error); /* the first reason was told */
		return;
	}
	stop_work(copy);
	if (!take_error)
		container_event(copy->container, "extract-to-dir", NULL, NULL);
	copy->handlers.ended(copy->arg, explained(copy, take_error));
}

static void on_unpacked(void *arg, Error *take_error, const UnpackResult *result)
{
	(void)result;
	end(arg, take_error);
}

/* ---- data ---- */

static size_t pending(const CopyIn *copy)
{
	return copy->queue.length - copy->taken;
}

/* How much the pipe took: all, of a process that is gone, which says why itself. */
static size_t write_some(CopyIn *copy, const char *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t written = write(copy->pipe, data + done, length - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			break;
		done = written < 0 ? length : done + (size_t)written;
	}
	if (done)
		copy->moved_ns = clock_monotonic_ns();
	return done;
}

static void write_queue(CopyIn *copy)
{
	copy->taken += write_some(copy, copy->queue.data + copy->taken, pending(copy));
	if (!pending(copy)) {
		buffer_truncate(&copy->queue, 0);
		copy->taken = 0;
	}
}

static void move_on(CopyIn *copy)
{
	if (copy->pipe < 0)
		return;
	write_queue(copy);
	if (!pending(copy) && copy->finished) {
		close_pipe(copy);
		return;
	}
	source_set_events(copy->watch, pending(copy) ? LOOP_WRITE : 0);
	if (copy->is_full && !pending(copy)) {
		copy->is_full = false;
		copy->handlers.drained(copy->arg);
	}
}

static void on_room(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	move_on(arg);
}

bool copy_in_data(CopyIn *copy, const void *data, size_t length)
{
	size_t done = 0;

	if (copy->ended)
		return true;
	copy->moved_ns = clock_monotonic_ns();
	if (copy->pipe >= 0 && !pending(copy))
		done = write_some(copy, data, length);
	if (done == length)
		return true;
	buffer_add(&copy->queue, (const char *)data + done, length - done);
	if (copy->pipe >= 0)
		source_set_events(copy->watch, LOOP_WRITE);
	copy->is_full = copy->pipe >= 0 || pending(copy) > QUEUE_WELCOME;
	return !copy->is_full;
}

void copy_in_finish(CopyIn *copy)
{
	copy->finished = true;
	move_on(copy);
}

/* ---- beginning ---- */

static fallible described_file(int *ret, const Buffer *text)
{
	autofd fd = memfd_create("kedge-rootfs", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	TRY(file_write_all(fd, text->data, text->length, "description"));
	lseek(fd, 0, SEEK_SET);
	*ret = take_fd(&fd);
	return NULL;
}

static fallible make_pipe(CopyIn *copy, int *ret_read_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	*ret_read_end = ends[0];
	copy->pipe = ends[1];
	fcntl(copy->pipe, F_SETFL, O_NONBLOCK);
	(void)fcntl(copy->pipe, F_SETPIPE_SZ, PIPE_SIZE); /* faster, where the limit for all pipes allows it */
	return loop_watch(&copy->watch, copy->container->engine->loop, copy->pipe, 0, on_room, copy);
}

static fallible start_unpacker(CopyIn *copy, int directory)
{
	static const UnpackerHandlers handlers = {.done = on_unpacked};
	Engine *engine = copy->container->engine;
	autofree char *program = engine_program(engine, "kedge-unpack");
	UnpackerOptions options = {
		.program = program, .mode = UNPACK_COPY, .directory_fd = directory, .copy = &copy->options};
	autofd input = -1;

	TRY(make_pipe(copy, &input));
	options.input_fd = input;
	return unpacker_start(&copy->unpacker, engine->loop, &options, &handlers, copy);
}

static fallible begin(CopyIn *copy)
{
	autoclear(ContainerFiles) files = {.root = -1};
	autofd description = -1;

	TRY(container_files_open(&files, copy->container, true));
	copy->options.is_described = files.root < 0;
	if (files.root < 0)
		TRY(described_file(&description, &files.description));
	copy->holds = true;
	copy->container->copies++;
	TRY(fault("engine.copy.begin"));
	return start_unpacker(copy, files.root < 0 ? description : files.root);
}

/* Between two states: what its files are is not said yet. */
static bool is_unsettled(const Container *container)
{
	bool is_live = container_is_live(container);

	if (is_live && !container->launch_when_gone)
		return !container->record.pid || container->state == CONTAINER_STARTING;
	return container->shim || container->cleaning || container->undecided || container->copies;
}

static fallible check_state(const Container *container)
{
	if (container->removed || container->state == CONTAINER_REMOVING)
		return error_new(ERROR_CONFLICT, "container %s is being removed", container->id);
	return NULL;
}

/* A container that is to start, or to go, waits for the copy; a client that stands still does not hold it up. */
static void watch_client(CopyIn *copy)
{
	const Container *container = copy->container;
	bool is_awaited = container->launch_when_gone || container->state == CONTAINER_REMOVING;

	if (is_awaited && clock_monotonic_ns() - copy->moved_ns > STALL_MAX)
		end(copy, error_new(ERROR_CONFLICT, "container %s does not wait for its files any longer",
				  container->id));
	else
		source_rearm(copy->timer, STALL_LOOK);
}

static void wait_longer(CopyIn *copy)
{
	if (clock_monotonic_ns() - copy->moved_ns > PATIENCE)
		end(copy, error_new(ERROR_TIMEOUT, "container %s is being started or stopped", copy->container->id));
	else
		source_rearm(copy->timer, LOOK_AGAIN);
}

static void on_timer(void *arg)
{
	CopyIn *copy = arg;
	Error *error;

	if (copy->holds) {
		watch_client(copy);
		return;
	}
	error = check_state(copy->container);
	if (!error && is_unsettled(copy->container)) {
		wait_longer(copy);
		return;
	}
	if (!error)
		error = begin(copy);
	if (error) {
		end(copy, error);
		return;
	}
	source_rearm(copy->timer, STALL_LOOK);
	move_on(copy);
}

/* ---- life ---- */

static fallible find_owner(CopyIn *copy)
{
	const ContainerSpec *spec = &copy->container->record.spec;
	Store *store = copy->container->engine->store;
	autoclear(StringList) directories = {0}, none = {0};
	autoptr(Image) image = NULL;
	UserIds ids;

	if (string_empty(spec->user))
		return NULL;
	TRY(image_pinned(&image, store, copy->container->id));
	if (!image)
		return error_new(ERROR_INTERNAL, "No such image: %s", copy->container->record.image_id);
	snapshot_directories(store, copy->container->id, image, &directories);
	TRY(user_resolve(&ids, spec->user, &none, &directories));
	copy->options.has_owner = true;
	copy->options.uid = ids.uid;
	copy->options.gid = ids.gid;
	return NULL;
}

static void release(void *arg)
{
	CopyIn *copy = arg;

	container_unref(copy->container);
	buffer_clear(&copy->queue);
	free((char *)copy->options.path);
	free(copy->path);
	free(copy->name);
	free(copy);
}

CopyIn *copy_in_free(CopyIn *copy)
{
	if (!copy)
		return NULL;
	stop_work(copy);
	loop_defer_free(copy->container->engine->loop, release, copy);
	return NULL;
}

fallible container_copy_in(
	CopyIn **ret, Container *container, const CopyInRequest *request, const CopyInHandlers *handlers, void *arg)
{
	autoptr(CopyIn) copy = mem_new(CopyIn);

	*copy = (CopyIn){.container = container_ref(container),
		.handlers = *handlers,
		.arg = arg,
		.path = mem_strdup(request->path),
		.name = mem_strdup(request->name),
		.options = {.keeps_directories = request->keeps_directories},
		.moved_ns = clock_monotonic_ns(),
		.pipe = -1};
	autofree char *absolute = string_printf("/%s", request->path);
	copy->options.path = spec_clean_path(absolute);
	TRY(check_state(container));
	if (request->gives_to_user)
		TRY(find_owner(copy));
	TRY(loop_timer(&copy->timer, container->engine->loop, 0, on_timer, copy));
	*ret = take(copy);
	return NULL;
}
