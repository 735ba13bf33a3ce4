// SPDX-License-Identifier: Apache-2.0
#include "engine/logwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/memory.h"

#define LOOK_AGAIN_NS (250 * NANOS_PER_MILLI)

enum { EVENTS_SIZE = 4096, NO_WATCH = -1 };

/* The shared descriptor of a loop; it lives as long as somebody watches. */
typedef struct Notifier {
	List in_list;
	Loop *loop;
	int fd;
	Source *source;
	List watches;
} Notifier;

struct LogWatch {
	List in_notifier;
	Notifier *notifier; /* NULL: the timer does it */
	int descriptor;     /* inotify's; shared by watches of one directory */
	Source *timer;
	LoopHandler *handler;
	void *arg;
};

static List notifiers = {&notifiers, &notifiers};

/* ---- the notifier ---- */

static void wake(Notifier *notifier, const struct inotify_event *event)
{
	list_each(&notifier->watches, LogWatch, in_notifier, watch) {
		if (watch->descriptor != event->wd && !(event->mask & IN_Q_OVERFLOW))
			continue;
		if (event->mask & IN_IGNORED)
			watch->descriptor = NO_WATCH;
		watch->handler(watch->arg);
	}
}

static void on_events(void *arg, int fd, unsigned events)
{
	Notifier *notifier = arg;
	char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t count = read(fd, buffer, sizeof(buffer));

	(void)events;
	for (char *at = buffer; count > 0 && at < buffer + count;) {
		struct inotify_event *event = (struct inotify_event *)at;
		wake(notifier, event);
		at += sizeof(*event) + event->len;
	}
}

static Notifier *notifier_free(Notifier *notifier)
{
	list_remove(&notifier->in_list);
	source_free(notifier->source);
	close_fd(&notifier->fd);
	free(notifier);
	return NULL;
}

static Notifier *notifier_of(Loop *loop)
{
	list_each(&notifiers, Notifier, in_list, known) {
		if (known->loop == loop)
			return known;
	}
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return NULL;
	Notifier *notifier = mem_new(Notifier);
	notifier->loop = loop;
	notifier->fd = fd;
	list_init(&notifier->watches);
	list_append(&notifiers, &notifier->in_list);
	Error *error = loop_watch(&notifier->source, loop, fd, LOOP_READ, on_events, notifier);
	if (!error)
		return notifier;
	error_free(error); /* the timer does it */
	return notifier_free(notifier);
}

/* ---- watches ---- */

static bool is_shared(const LogWatch *watch)
{
	list_each(&watch->notifier->watches, LogWatch, in_notifier, other) {
		if (other != watch && other->descriptor == watch->descriptor)
			return true;
	}
	return false;
}

static bool join(LogWatch *watch, Loop *loop, const char *directory)
{
	Notifier *notifier = notifier_of(loop);
	uint32_t mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;
	int descriptor = notifier ? inotify_add_watch(notifier->fd, directory, mask) : NO_WATCH;

	if (descriptor >= 0) {
		watch->notifier = notifier;
		watch->descriptor = descriptor;
		list_append(&notifier->watches, &watch->in_notifier);
		return true;
	}
	if (notifier && list_empty(&notifier->watches))
		notifier_free(notifier);
	return false;
}

static void on_timer(void *arg)
{
	LogWatch *watch = arg;

	source_rearm(watch->timer, LOOK_AGAIN_NS);
	watch->handler(watch->arg);
}

Error *logwatch_new(LogWatch **ret, Loop *loop, const char *directory, LoopHandler *handler, void *arg)
{
	LogWatch *watch = mem_new(LogWatch);

	watch->descriptor = NO_WATCH;
	watch->handler = handler;
	watch->arg = arg;
	list_init(&watch->in_notifier);
	if (!join(watch, loop, directory)) {
		Error *error = loop_timer(&watch->timer, loop, LOOK_AGAIN_NS, on_timer, watch);
		if (error) {
			free(watch);
			return error;
		}
	}
	*ret = watch;
	return NULL;
}

LogWatch *logwatch_free(LogWatch *watch)
{
	if (!watch)
		return NULL;
	Notifier *notifier = watch->notifier;
	if (notifier) {
		if (watch->descriptor >= 0 && !is_shared(watch))
			inotify_rm_watch(notifier->fd, watch->descriptor);
		list_remove(&watch->in_notifier);
		if (list_empty(&notifier->watches))
			notifier_free(notifier);
	}
	source_free(watch->timer);
	free(watch);
	return NULL;
}
