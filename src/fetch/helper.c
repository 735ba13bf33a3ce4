// SPDX-License-Identifier: Apache-2.0
#include "fetch/helper.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"

enum { FRAMES_PER_TURN = 64 }; /* one helper, taken over or not, must not hold up the others */

struct Helper {
	Loop *loop;
	Channel *channel;
	Source *watch;
	Source *child;
	Source *again; /* frames may be left */
	pid_t pid;     /* 0 once the process is reaped */
	char *program;
	HelperHandlers handlers;
	void *arg;
	bool is_freed;
	bool has_ended;
};

/* ---- frames and the end ---- */

static void end(Helper *helper, Error *take_error)
{
	if (helper->has_ended) {
		error_free(take_error); /* the first reason was told */
		return;
	}
	helper->has_ended = true;
	source_set_events(helper->watch, 0);
	helper->handlers.ended(helper->arg, take_error);
}

static void kill_process(Helper *helper)
{
	if (helper->pid > 0)
		kill(helper->pid, SIGKILL);
}

static void break_off(Helper *helper, Error *take_error)
{
	kill_process(helper);
	end(helper, take_error);
}

static void drop_fds(Channel *channel)
{
	for (int fd = channel_take_fd(channel); fd >= 0; fd = channel_take_fd(channel))
		close(fd);
}

static fallible handle_one(Helper *helper, ChannelState *ret_state)
{
	autoclear(Frame) frame = {0};

	TRY(channel_receive(helper->channel, &frame, ret_state));
	drop_fds(helper->channel);
	return *ret_state == CHANNEL_FRAME ? helper->handlers.frame(helper->arg, &frame) : NULL;
}

static void handle_again(void *arg);

static void handle_later(Helper *helper)
{
	Error *error = helper->again ? NULL : loop_defer(&helper->again, helper->loop, handle_again, helper);

	if (error)
		break_off(helper, error);
}

static void handle_frames(Helper *helper, int most)
{
	ChannelState state = CHANNEL_FRAME;

	while (!helper->is_freed && !helper->has_ended && state == CHANNEL_FRAME) {
		if (most-- == 0) {
			handle_later(helper);
			return;
		}
		Error *error = handle_one(helper, &state);
		if (error && helper->is_freed)
			error_free(error); /* who would have been told is gone */
		else if (error)
			break_off(helper, error_wrap(error, "\"%s\" broke the protocol", helper->program));
	}
	if (helper->is_freed || state != CHANNEL_ENDED)
		return;
	/* The exit status says why; a process that only closed the socket must not linger. */
	source_set_events(helper->watch, 0);
	kill_process(helper);
}

static void handle_again(void *arg)
{
	Helper *helper = arg;

	helper->again = source_free(helper->again);
	handle_frames(helper, FRAMES_PER_TURN);
}

static void watch_for_writing(Helper *helper)
{
	if (!helper->has_ended)
		source_set_events(helper->watch, LOOP_READ | (channel_is_pending(helper->channel) ? LOOP_WRITE : 0));
}

fallible helper_sent(Helper *helper, Error *take_error)
{
	int number = take_error ? error_number(take_error) : 0;

	if (number == EPIPE || number == ECONNRESET) {
		error_free(take_error);
		return NULL;
	}
	watch_for_writing(helper);
	return take_error;
}

static void on_channel(void *arg, int fd, unsigned events)
{
	Helper *helper = arg;
	(void)fd;

	if (events & LOOP_WRITE) {
		error_free(channel_flush(helper->channel)); /* reading tells that the process is gone */
		watch_for_writing(helper);
	}
	if (events & LOOP_READ)
		handle_frames(helper, FRAMES_PER_TURN);
}

static void on_exit_of_child(void *arg, int wait_status)
{
	Helper *helper = arg;
	char status[64];

	helper->pid = 0;
	handle_frames(helper, INT_MAX); /* what it has left behind */
	if (helper->is_freed)
		return;
	process_status_text(status, sizeof(status), wait_status);
	end(helper, error_new(ERROR_INTERNAL, "\"%s\" ended early: %s", helper->program, status));
}

/* ---- life ---- */

static fallible spawn(pid_t *ret, int *ret_socket, const char *const *argv)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(errno, "could not make a socket pair");
	ProcessSpec spec = {
		.path = argv[0],
		.argv = argv,
		.fds = {{.from = sockets[1], .to = HELPER_CHANNEL_FD}},
		.fd_count = 1,
	};
	Error *error = process_spawn(ret, &spec);
	close(sockets[1]);
	if (error)
		close(sockets[0]);
	else
		*ret_socket = sockets[0];
	return error;
}

static fallible watch(Helper *helper)
{
	TRY(loop_child(&helper->child, helper->loop, helper->pid, on_exit_of_child, helper));
	return loop_watch(&helper->watch, helper->loop, channel_fd(helper->channel), LOOP_READ, on_channel, helper);
}

Error *helper_start(Helper **ret, Loop *loop, const char *const *argv, const HelperHandlers *handlers, void *arg)
{
	pid_t pid;
	int socket = -1;

	TRY(spawn(&pid, &socket, argv));
	Helper *helper = mem_new(Helper);
	*helper = (Helper){.loop = loop,
		.channel = channel_new(socket),
		.pid = pid,
		.program = mem_strdup(argv[0]),
		.handlers = *handlers,
		.arg = arg};
	Error *error = watch(helper);
	if (error) {
		helper_free(helper);
		return error;
	}
	*ret = helper;
	return NULL;
}

Channel *helper_channel(Helper *helper)
{
	return helper->channel;
}

static void release(void *arg)
{
	Helper *helper = arg;

	channel_free(helper->channel);
	free(helper->program);
	free(helper);
}

Helper *helper_free(Helper *helper)
{
	if (!helper)
		return NULL;
	helper->is_freed = true;
	source_free(helper->watch);
	source_free(helper->child);
	source_free(helper->again);
	kill_process(helper);
	if (helper->pid > 0)
		orphan_reap(helper->loop, helper->pid);
	loop_defer_free(helper->loop, release, helper);
	return NULL;
}
