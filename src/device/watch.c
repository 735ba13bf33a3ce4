// SPDX-License-Identifier: Apache-2.0
#include "device/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define SETTLE_NS (50 * NANOS_PER_MILLI) /* an editor's save is several events */
#define SEARCH_NS (5 * NANOS_PER_SECOND)

enum {
	DIRECTORIES_MAX = 4,
	EVENTS_SIZE = 8192,
	LOST = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT,
	CHANGES = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |
		  IN_MOVE_SELF | IN_ONLYDIR,
};

typedef struct Watched {
	char *path;
	int descriptor; /* -1: it is looked for */
} Watched;

struct Watch {
	Loop *loop;
	int fd; /* -1: the kernel has no instance left; the timer does it */
	Source *source, *settle, *search;
	int64_t due_ns; /* of settle, on the monotonic clock; 0: it does not run */
	Watched directories[DIRECTORIES_MAX];
	size_t count;
	WatchHandler *handler;
	void *arg;
};

static void tell(void *arg)
{
	Watch *watch = arg;

	watch->due_ns = 0;
	watch->handler(watch->arg);
}

/* The earlier one wins: a stream of events delays nothing for ever. */
void watch_again(Watch *watch, int64_t delay_ns)
{
	int64_t due_ns = clock_monotonic_ns() + delay_ns;

	if (watch->due_ns && watch->due_ns <= due_ns)
		return;
	watch->due_ns = due_ns;
	source_rearm(watch->settle, delay_ns);
}

/* ---- directories ---- */

static void look_for(Watch *watch, Watched *directory)
{
	directory->descriptor = watch->fd < 0 ? -1 : inotify_add_watch(watch->fd, directory->path, CHANGES);
	if (directory->descriptor < 0)
		source_rearm(watch->search, SEARCH_NS);
}

static void search(void *arg)
{
	Watch *watch = arg;
	bool has_news = false;

	for (size_t i = 0; i < watch->count; i++) {
		Watched *directory = &watch->directories[i];
		if (directory->descriptor >= 0)
			continue;
		look_for(watch, directory);
		has_news |= directory->descriptor >= 0 || watch->fd < 0;
	}
	if (has_news)
		watch_again(watch, 0);
}

static void lose(Watch *watch, int descriptor)
{
	for (size_t i = 0; i < watch->count; i++) {
		Watched *directory = &watch->directories[i];
		if (directory->descriptor != descriptor)
			continue;
		inotify_rm_watch(watch->fd, descriptor); /* of one that was moved away; another one may be there */
		look_for(watch, directory);
	}
}

void watch_add(Watch *watch, const char *path)
{
	if (watch->count == DIRECTORIES_MAX)
		abort(); /* who adds more raises the bound */
	Watched *directory = &watch->directories[watch->count++];
	directory->path = mem_strdup(path);
	look_for(watch, directory);
}

/* ---- events ---- */

static void on_events(void *arg, int fd, unsigned events)
{
	Watch *watch = arg;
	char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t count = read(fd, buffer, sizeof(buffer));

	(void)events;
	for (char *at = buffer; count > 0 && at < buffer + count;) {
		const struct inotify_event *event = (const struct inotify_event *)at;
		if (event->mask & LOST)
			lose(watch, event->wd);
		at += sizeof(*event) + event->len;
	}
	if (count > 0) /* an overflow is an event, too */
		watch_again(watch, SETTLE_NS);
}

static fallible watch_begin(Watch *watch)
{
	TRY(loop_timer(&watch->settle, watch->loop, -1, tell, watch));
	TRY(loop_timer(&watch->search, watch->loop, -1, search, watch));
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0) {
		log_warning("directories are looked at every %lld s: could not watch them: %s",
			(long long)(SEARCH_NS / NANOS_PER_SECOND), strerror(errno));
		return NULL;
	}
	return loop_watch(&watch->source, watch->loop, watch->fd, LOOP_READ, on_events, watch);
}

fallible watch_new(Watch **ret, Loop *loop, WatchHandler *handler, void *arg)
{
	autoptr(Watch) watch = mem_new(Watch);

	watch->loop = loop;
	watch->fd = -1;
	watch->handler = handler;
	watch->arg = arg;
	TRY(watch_begin(watch));
	*ret = take(watch);
	return NULL;
}

Watch *watch_free(Watch *watch)
{
	if (!watch)
		return NULL;
	source_free(watch->source);
	source_free(watch->settle);
	source_free(watch->search);
	close_fd(&watch->fd);
	for (size_t i = 0; i < watch->count; i++)
		free(watch->directories[i].path);
	free(watch);
	return NULL;
}
