// SPDX-License-Identifier: Apache-2.0
#include "engine/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/internal.h"

enum { PIPE_SIZE = 1 << 20, QUEUE_WELCOME = 64 << 10 };

struct Intake {
	Engine *engine;
	IntakeHandlers handlers;
	void *arg;
	const IntakeOwner *owner;
	void *object;
	Unpacker *unpacker;
	int pipe; /* -1: not there yet, or closed behind the last byte */
	Source *watch;
	Buffer queue;
	size_t taken;
	int64_t moved_ns;
	bool finished; /* all data is in the queue */
	bool is_full;  /* the caller waits for drained */
	bool ended;
};

/* ---- the end ---- */

static void close_pipe(Intake *intake)
{
	intake->watch = source_free(intake->watch);
	close_fd(&intake->pipe);
}

static fallible stop_work(Intake *intake, Error *take_error)
{
	intake->ended = true;
	intake->unpacker = unpacker_free(intake->unpacker);
	close_pipe(intake);
	return intake->owner ? intake->owner->end(intake->object, take_error) : take_error;
}

void intake_end(Intake *intake, Error *take_error)
{
	if (intake->ended)
		error_free(take_error); /* the first reason was told */
	else
		intake->handlers.ended(intake->arg, stop_work(intake, take_error));
}

static void on_unpacked(void *arg, Error *take_error, const UnpackResult *result)
{
	(void)result;
	intake_end(arg, take_error);
}

/* ---- data ---- */

static size_t pending(const Intake *intake)
{
	return intake->queue.length - intake->taken;
}

/* How much the pipe took: all, of a process that is gone, which says why itself. */
static size_t write_some(Intake *intake, const char *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t written = write(intake->pipe, data + done, length - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			break;
		done = written < 0 ? length : done + (size_t)written;
	}
	if (done)
		intake->moved_ns = clock_monotonic_ns();
	return done;
}

static void write_queue(Intake *intake)
{
	intake->taken += write_some(intake, intake->queue.data + intake->taken, pending(intake));
	if (!pending(intake)) {
		buffer_truncate(&intake->queue, 0);
		intake->taken = 0;
	}
}

static void move_on(Intake *intake)
{
	if (intake->pipe < 0)
		return;
	write_queue(intake);
	if (!pending(intake) && intake->finished) {
		close_pipe(intake);
		return;
	}
	source_set_events(intake->watch, pending(intake) ? LOOP_WRITE : 0);
	if (intake->is_full && !pending(intake)) {
		intake->is_full = false;
		intake->handlers.drained(intake->arg);
	}
}

static void on_room(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	move_on(arg);
}

bool intake_data(Intake *intake, const void *data, size_t length)
{
	size_t done = 0;

	if (intake->ended)
		return true;
	intake->moved_ns = clock_monotonic_ns();
	if (intake->pipe >= 0 && !pending(intake))
		done = write_some(intake, data, length);
	if (done == length)
		return true;
	buffer_add(&intake->queue, (const char *)data + done, length - done);
	if (intake->pipe >= 0)
		source_set_events(intake->watch, LOOP_WRITE);
	intake->is_full = intake->pipe >= 0 || pending(intake) > QUEUE_WELCOME;
	return !intake->is_full;
}

void intake_finish(Intake *intake)
{
	intake->finished = true;
	move_on(intake);
}

/* ---- beginning ---- */

static fallible make_pipe(Intake *intake, int *ret_read_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	*ret_read_end = ends[0];
	intake->pipe = ends[1];
	fcntl(intake->pipe, F_SETFL, O_NONBLOCK);
	(void)fcntl(intake->pipe, F_SETPIPE_SZ, PIPE_SIZE); /* faster, where the limit for all pipes allows it */
	return loop_watch(&intake->watch, intake->engine->loop, intake->pipe, 0, on_room, intake);
}

fallible intake_begin(Intake *intake, int directory, const UnpackCopy *copy, bool sync)
{
	static const UnpackerHandlers handlers = {.done = on_unpacked};
	autofree char *program = engine_program(intake->engine, "kedge-unpack");
	UnpackerOptions options = {
		.program = program, .mode = UNPACK_COPY, .directory_fd = directory, .copy = copy, .sync = sync};
	autofd input = -1;

	TRY(make_pipe(intake, &input));
	options.input_fd = input;
	TRY(unpacker_start(&intake->unpacker, intake->engine->loop, &options, &handlers, intake));
	move_on(intake);
	return NULL;
}

/* ---- life ---- */

Intake *intake_new(Engine *engine, const IntakeHandlers *handlers, void *arg)
{
	Intake *intake = mem_new(Intake);

	*intake = (Intake){
		.engine = engine, .handlers = *handlers, .arg = arg, .pipe = -1, .moved_ns = clock_monotonic_ns()};
	return intake;
}

void intake_own(Intake *intake, const IntakeOwner *owner, void *object)
{
	intake->owner = owner;
	intake->object = object;
}

int64_t intake_moved_ns(const Intake *intake)
{
	return intake->moved_ns;
}

static void release(void *arg)
{
	Intake *intake = arg;

	if (intake->owner)
		intake->owner->free(intake->object);
	buffer_clear(&intake->queue);
	free(intake);
}

Intake *intake_free(Intake *intake)
{
	if (!intake)
		return NULL;
	if (!intake->ended)
		error_free(stop_work(intake, error_new(ERROR_CANCELLED, "it was broken off"))); /* nobody is told */
	loop_defer_free(intake->engine->loop, release, intake);
	return NULL;
}
