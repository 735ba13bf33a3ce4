// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack/dropped.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

enum { FILES_MAX = 32, THREADS_MAX = 4, STACK_SIZE = 256 << 10 };

struct Dropped {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int files[FILES_MAX];
	size_t count;
	bool ended;
	pthread_t threads[THREADS_MAX]; /* each begins when there is something for it to do */
	size_t started;
};

Dropped *dropped_new(void)
{
	Dropped *dropped = mem_new(Dropped);

	pthread_mutex_init(&dropped->lock, NULL);
	pthread_cond_init(&dropped->changed, NULL);
	return dropped;
}

static void *close_main(void *arg)
{
	Dropped *dropped = arg;

	pthread_mutex_lock(&dropped->lock);
	while (dropped->count || !dropped->ended) {
		if (!dropped->count) {
			pthread_cond_wait(&dropped->changed, &dropped->lock);
			continue;
		}
		int file = dropped->files[--dropped->count];
		pthread_mutex_unlock(&dropped->lock);
		close(file);
		pthread_mutex_lock(&dropped->lock);
	}
	pthread_mutex_unlock(&dropped->lock);
	return NULL;
}

/* One that cannot be started is missed by nobody. */
static void start_thread(Dropped *dropped)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (pthread_create(&dropped->threads[dropped->started], &attributes, close_main, dropped) == 0)
		dropped->started++;
	pthread_attr_destroy(&attributes);
}

void dropped_add(Dropped *dropped, int take_file)
{
	autofd file = take_file;

	if (dropped->started < THREADS_MAX)
		start_thread(dropped);
	pthread_mutex_lock(&dropped->lock);
	if (dropped->started && dropped->count < FILES_MAX)
		dropped->files[dropped->count++] = take_fd(&file);
	pthread_cond_signal(&dropped->changed);
	pthread_mutex_unlock(&dropped->lock);
}

Dropped *dropped_free(Dropped *dropped)
{
	if (!dropped)
		return NULL;
	pthread_mutex_lock(&dropped->lock);
	dropped->ended = true;
	pthread_cond_broadcast(&dropped->changed);
	pthread_mutex_unlock(&dropped->lock);
	for (size_t i = 0; i < dropped->started; i++)
		pthread_join(dropped->threads[i], NULL);
	pthread_cond_destroy(&dropped->changed);
	pthread_mutex_destroy(&dropped->lock);
	free(dropped);
	return NULL;
}
