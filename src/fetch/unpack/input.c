// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "fetch/unpack/input.h"

struct Input {
	int fd;
	int wake_fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t available;
	bool complete;
	bool stopped;
	bool is_stream;                /* a pipe: its end is the archive's */
	atomic_int_least64_t position; /* written by the reading thread alone */
};

Input *input_new(int fd, int wake_fd)
{
	Input *input = mem_new(Input);
	struct stat status;

	input->fd = fd;
	input->wake_fd = wake_fd;
	input->is_stream = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
	pthread_mutex_init(&input->lock, NULL);
	pthread_cond_init(&input->changed, NULL);
	return input;
}

Input *input_free(Input *input)
{
	if (!input)
		return NULL;
	pthread_cond_destroy(&input->changed);
	pthread_mutex_destroy(&input->lock);
	free(input);
	return NULL;
}

void input_allow(Input *input, int64_t available, bool complete)
{
	pthread_mutex_lock(&input->lock);
	if (available > input->available)
		input->available = available;
	input->complete = input->complete || complete;
	pthread_cond_broadcast(&input->changed);
	pthread_mutex_unlock(&input->lock);
}

void input_stop(Input *input)
{
	pthread_mutex_lock(&input->lock);
	input->stopped = true;
	pthread_cond_broadcast(&input->changed);
	pthread_mutex_unlock(&input->lock);
}

/* Bytes that may be read now; 0: the end. */
static fallible wait_for_bytes(Input *input, int64_t *ret_count)
{
	bool stopped;
	int64_t count;

	pthread_mutex_lock(&input->lock);
	while (!input->stopped && !input->complete && input->available <= input->position)
		pthread_cond_wait(&input->changed, &input->lock);
	stopped = input->stopped;
	count = input->available - input->position;
	pthread_mutex_unlock(&input->lock);
	if (stopped)
		return error_new(ERROR_CANCELLED, "unpacking was stopped");
	*ret_count = count;
	return NULL;
}

static void advance(Input *input, int64_t count)
{
	int64_t before = input->position;
	uint64_t one = 1;

	input->position = before + count;
	if (input->wake_fd < 0 || before / INPUT_PROGRESS_STEP == (before + count) / INPUT_PROGRESS_STEP)
		return;
	if (write(input->wake_fd, &one, sizeof one) < 0)
		return; /* progress that nobody hears of */
}

static bool is_stopped(Input *input)
{
	bool stopped;

	pthread_mutex_lock(&input->lock);
	stopped = input->stopped;
	pthread_mutex_unlock(&input->lock);
	return stopped;
}

/* Looks up now and then: nobody wakes a thread that waits for a pipe. */
static fallible read_stream(Input *input, void *to, size_t room, size_t *ret_length)
{
	enum { LOOK_MS = 50 };
	struct pollfd ready = {.fd = input->fd, .events = POLLIN};
	ssize_t got = -1;

	while (got < 0) {
		if (is_stopped(input))
			return error_new(ERROR_CANCELLED, "unpacking was stopped");
		if (poll(&ready, 1, LOOK_MS) <= 0)
			continue;
		got = read(input->fd, to, room);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return error_errno(errno, "could not read the archive");
	}
	advance(input, got);
	*ret_length = (size_t)got;
	return NULL;
}

Error *input_read(Input *input, void *to, size_t room, size_t *ret_length)
{
	int64_t count = 0;
	ssize_t got;

	if (input->is_stream)
		return read_stream(input, to, room, ret_length);
	TRY(wait_for_bytes(input, &count));
	if (count > (int64_t)room)
		count = (int64_t)room;
	do
		got = pread(input->fd, to, (size_t)count, input->position);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return error_errno(errno, "could not read the archive");
	if (got == 0 && count > 0)
		return error_new(ERROR_INTERNAL, "archive file is shorter than announced: ends at byte %lld",
			(long long)input->position);
	advance(input, got);
	*ret_length = (size_t)got;
	return NULL;
}

int64_t input_position(Input *input)
{
	return input->position;
}
