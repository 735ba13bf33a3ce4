// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/memory.h"

/* Between work and the rest after it; the round in which the rest's own timer fired is no work. */
typedef enum RestState { REST_DONE, REST_DUE, REST_NOW } RestState;

struct Loop {
	struct event_base *base;
	List sources;
	List deferred;
	bool is_stopped;
	Source *rest; /* loop_after_work()'s, its maker's to free; or NULL */
	RestState rest_state;
	int64_t rest_delay_ns;
};

struct Source {
	Loop *loop; /* NULL once the loop has been freed */
	List in_loop;
	List in_queue; /* deferred calls */
	struct event *event;
	int fd; /* LoopIoHandler's, or a child's pidfd, which is ours */
	unsigned events;
	pid_t child;     /* 0: none */
	int64_t due_ns;  /* of a timer, on the monotonic clock */
	bool is_unowned; /* loop_defer_free(): frees itself */
	union {
		LoopIoHandler *on_io;
		LoopHandler *on_event;
		LoopExitHandler *on_exit;
	};
	void *arg;
};

/* ---- life ---- */

/* Timers count from the moment they are set, to the microsecond: neither a cached time nor the coarse clock will do. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();

	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

Error *loop_new(Loop **ret)
{
	struct event_base *base = new_base();

	if (!base)
		return error_errno(errno, "could not make an event loop");
	Loop *loop = mem_new(Loop);
	loop->base = base;
	list_init(&loop->sources);
	list_init(&loop->deferred);
	*ret = loop;
	return NULL;
}

static Source *source_new(Loop *loop, void *arg)
{
	Source *source = mem_new(Source);

	source->loop = loop;
	source->fd = -1;
	source->arg = arg;
	list_init(&source->in_queue);
	list_append(&loop->sources, &source->in_loop);
	return source;
}

static void source_stop(Source *source)
{
	if (source->loop && source->loop->rest == source)
		source->loop->rest = NULL;
	list_remove(&source->in_queue);
	list_remove(&source->in_loop);
	if (source->event)
		event_free(source->event);
	source->event = NULL;
	source->loop = NULL;
	if (source->child)
		close_fd(&source->fd);
}

Source *source_free(Source *source)
{
	if (source) {
		source_stop(source);
		free(source);
	}
	return NULL;
}

static void source_run_deferred(Source *source)
{
	LoopHandler *handler = source->on_event;
	void *arg = source->arg;

	list_remove(&source->in_queue);
	if (source->is_unowned)
		source_free(source);
	handler(arg);
}

/* Objects that wait for their release are released; other sources stay with their makers, stopped. */
Loop *loop_free(Loop *loop)
{
	if (!loop)
		return NULL;
	for (List *node = loop->deferred.next; node != &loop->deferred; node = loop->deferred.next) {
		Source *source = list_entry(node, Source, in_queue);
		list_remove(node);
		if (source->is_unowned)
			source_run_deferred(source);
	}
	while (!list_empty(&loop->sources))
		source_stop(list_entry(loop->sources.next, Source, in_loop));
	event_base_free(loop->base);
	free(loop);
	return NULL;
}

/* ---- running ---- */

/* What is queued by a deferred call waits for the next round, so that descriptors and timers get their turn. */
static void run_deferred(Loop *loop)
{
	List round = loop->deferred;

	if (list_empty(&loop->deferred))
		return;
	round.next->prev = round.prev->next = &round;
	list_init(&loop->deferred);
	while (!list_empty(&round))
		source_run_deferred(list_entry(round.next, Source, in_queue));
}

static void rest_later(Loop *loop)
{
	if (loop->rest && loop->rest_state == REST_DONE) {
		source_rearm(loop->rest, loop->rest_delay_ns);
		loop->rest_state = REST_DUE;
	} else if (loop->rest_state == REST_NOW) {
		loop->rest_state = REST_DONE;
	}
}

Error *loop_run_once(Loop *loop)
{
	bool is_busy = !list_empty(&loop->deferred);

	/* Without EVLOOP_ONCE it would go on for as long as any descriptor is ready, and what is deferred would wait.
	 */
	int flags = EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_ONCE | (is_busy ? EVLOOP_NONBLOCK : 0);

	if (event_base_loop(loop->base, flags) < 0)
		return error_errno(errno, "could not wait for events");
	run_deferred(loop);
	rest_later(loop);
	return NULL;
}

Error *loop_run(Loop *loop)
{
	while (!loop->is_stopped)
		TRY(loop_run_once(loop));
	loop->is_stopped = false;
	return NULL;
}

void loop_stop(Loop *loop)
{
	loop->is_stopped = true;
}

/* ---- sources: a callback's source may be gone when the handler returns ---- */

static fallible source_add(Source **ret, Source *source, const struct timeval *delay, const char *what)
{
	if (!source->event || event_add(source->event, delay) < 0) {
		int problem = errno;
		source_free(source);
		return error_errno(problem, "could not watch %s", what);
	}
	*ret = source;
	return NULL;
}

static short event_flags(unsigned events)
{
	return (short)((events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0) | EV_PERSIST);
}

static void on_io(evutil_socket_t fd, short flags, void *arg)
{
	Source *source = arg;
	unsigned events = (flags & EV_READ ? LOOP_READ : 0u) | (flags & EV_WRITE ? LOOP_WRITE : 0u);

	source->on_io(source->arg, fd, events);
}

Error *loop_watch(Source **ret, Loop *loop, int fd, unsigned events, LoopIoHandler *handler, void *arg)
{
	Source *source = source_new(loop, arg);

	source->fd = fd;
	source->events = events;
	source->on_io = handler;
	source->event = event_new(loop->base, fd, event_flags(events), on_io, source);
	if (!events && source->event) {
		*ret = source;
		return NULL;
	}
	return source_add(ret, source, NULL, "a descriptor");
}

void source_set_events(Source *source, unsigned events)
{
	if (!source->event || source->events == events)
		return;
	source->events = events;
	event_del(source->event);
	event_assign(source->event, source->loop->base, source->fd, event_flags(events), on_io, source);
	if (events)
		event_add(source->event, NULL);
}

static void on_event(evutil_socket_t fd, short flags, void *arg)
{
	Source *source = arg;

	(void)fd;
	(void)flags;
	source->on_event(source->arg);
}

static struct timeval timeval_of(int64_t ns)
{
	int64_t micros = ns / 1000 + (ns % 1000 > 0);

	return (struct timeval){.tv_sec = micros / 1000000, .tv_usec = micros % 1000000};
}

Error *loop_timer(Source **ret, Loop *loop, int64_t delay_ns, LoopHandler *handler, void *arg)
{
	Source *source = source_new(loop, arg);
	struct timeval delay = timeval_of(delay_ns);

	source->on_event = handler;
	source->due_ns = clock_monotonic_ns() + delay_ns;
	source->event = evtimer_new(loop->base, on_event, source);
	if (delay_ns < 0 && source->event) {
		*ret = source;
		return NULL;
	}
	return source_add(ret, source, &delay, "a timer");
}

void source_rearm(Source *timer, int64_t delay_ns)
{
	struct timeval delay = timeval_of(delay_ns);

	if (!timer->event)
		return;
	timer->due_ns = clock_monotonic_ns() + delay_ns;
	if (delay_ns < 0)
		event_del(timer->event);
	else
		event_add(timer->event, &delay);
}

void source_rearm_sooner(Source *timer, int64_t delay_ns)
{
	bool waits = timer->event && event_pending(timer->event, EV_TIMEOUT, NULL);

	if (!waits || clock_monotonic_ns() + delay_ns < timer->due_ns)
		source_rearm(timer, delay_ns);
}

static void on_rest(evutil_socket_t fd, short flags, void *arg)
{
	Source *source = arg;

	(void)fd;
	(void)flags;
	source->loop->rest_state = REST_NOW;
	source->on_event(source->arg);
}

Error *loop_after_work(Source **ret, Loop *loop, int64_t delay_ns, LoopHandler *handler, void *arg)
{
	Source *source = source_new(loop, arg);

	source->on_event = handler;
	source->event = evtimer_new(loop->base, on_rest, source);
	if (!source->event) {
		source_free(source);
		return error_errno(ENOMEM, "could not watch the end of work");
	}
	loop->rest = source;
	loop->rest_state = REST_DONE;
	loop->rest_delay_ns = delay_ns;
	*ret = source;
	return NULL;
}

Error *loop_signal(Source **ret, Loop *loop, int signal, LoopHandler *handler, void *arg)
{
	Source *source = source_new(loop, arg);

	source->on_event = handler;
	source->event = evsignal_new(loop->base, signal, on_event, source);
	return source_add(ret, source, NULL, "a signal");
}

/* A status of -1 says that somebody else has waited for the child. */
static void on_exit_of_child(evutil_socket_t fd, short flags, void *arg)
{
	Source *source = arg;
	int status = -1;
	pid_t pid = waitpid(source->child, &status, WNOHANG);

	(void)fd;
	(void)flags;
	if (pid == 0)
		return;
	event_del(source->event);
	source->on_exit(source->arg, pid < 0 ? -1 : status);
}

Error *loop_child(Source **ret, Loop *loop, pid_t pid, LoopExitHandler *handler, void *arg)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* always close-on-exec */

	if (fd < 0)
		return error_errno(errno, "could not watch process %d", (int)pid);
	Source *source = source_new(loop, arg);
	source->fd = fd;
	source->child = pid;
	source->on_exit = handler;
	source->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_exit_of_child, source);
	return source_add(ret, source, NULL, "a process");
}

static Source *defer(Loop *loop, LoopHandler *handler, void *arg)
{
	Source *source = source_new(loop, arg);

	source->on_event = handler;
	list_append(&loop->deferred, &source->in_queue);
	return source;
}

Error *loop_defer(Source **ret, Loop *loop, LoopHandler *handler, void *arg)
{
	*ret = defer(loop, handler, arg);
	return NULL;
}

void loop_defer_free(Loop *loop, LoopHandler *free_handler, void *object)
{
	defer(loop, free_handler, object)->is_unowned = true;
}
