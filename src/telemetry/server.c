// SPDX-License-Identifier: Apache-2.0
#include "telemetry/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"
#include "shim/logline.h"
#include "telemetry/forward.h"
#include "telemetry/protocol.h"

#define LINGER (3 * NANOS_PER_SECOND)
#define LOOK_AGAIN (250 * NANOS_PER_MILLI)

enum { EVENTS_SIZE = 16 * 1024, NO_WATCH = -1 };

/* A container's log. Of one that was removed it stays until everything is sent. */
typedef struct Logged {
	List in_all;
	struct LogServer *server;
	char id[65];
	Forward *forward;
	unsigned generation;
	int watch; /* of its directory */
	bool is_last, is_done;
} Logged;

struct LogServer {
	Loop *loop;
	List all;
	Table *by_id; /* those that are not removed */
	unsigned generation;
	Attendant *attendant;
	int notifier;
	Source *notifier_source, *look;
};

/* ---- logs ---- */

static void logged_free(void *arg)
{
	Logged *logged = arg;
	LogServer *server = logged->server;

	if (logged->watch != NO_WATCH)
		inotify_rm_watch(server->notifier, logged->watch);
	if (table_get(server->by_id, logged->id) == logged)
		table_remove(server->by_id, logged->id);
	list_remove(&logged->in_all);
	forward_free(logged->forward);
	free(logged);
}

static void on_done(void *arg)
{
	Logged *logged = arg;

	if (logged->is_done)
		return;
	logged->is_done = true;
	attendant_finished(logged->server->attendant);
	loop_defer_free(logged->server->loop, logged_free, logged);
}

/* By its descriptor, since nobody else may enter it. Where the kernel has no more of them, a timer looks. */
static void watch_directory(Logged *logged, int directory)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", directory);
	logged->watch = inotify_add_watch(logged->server->notifier, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	if (logged->watch == NO_WATCH)
		source_rearm(logged->server->look, LOOK_AGAIN);
}

static Logged *logged_new(LogServer *server, const char *id, LogTarget *take_target, Packet *packet)
{
	Logged *logged = mem_new(Logged);
	ForwardFiles files = {take_fd(&packet->fds[0]), take_fd(&packet->fds[1])};

	logged->server = server;
	logged->watch = NO_WATCH;
	snprintf(logged->id, sizeof(logged->id), "%s", id);
	list_append(&server->all, &logged->in_all);
	table_set(server->by_id, logged->id, logged);
	watch_directory(logged, files.directory); /* before the first look: nothing is missed */
	logged->forward = forward_new(server->loop, take_target, files, on_done, logged);
	if (logged->forward)
		return logged;
	logged_free(logged);
	return NULL;
}

/* ---- what kedged says ---- */

static void on_begin(void *arg, Packet *packet)
{
	LogServer *server = arg;

	(void)packet;
	server->generation++;
}

static void on_end(void *arg, Packet *packet)
{
	LogServer *server = arg;

	(void)packet;
	list_each(&server->all, Logged, in_all, logged) {
		if (!logged->is_last && logged->generation != server->generation)
			logged_free(logged);
	}
}

static void on_log(void *arg, Packet *packet)
{
	LogServer *server = arg;
	autoclear(LogTarget) target = {.tls = {-1, -1, -1}};
	const char *id = packet_next(packet);

	if (!id || packet->fds[0] < 0)
		return;
	log_target_read(&target, packet);
	Logged *logged = table_get(server->by_id, id);
	if (!logged)
		logged = logged_new(server, id, &target, packet);
	else if (!log_target_equal(forward_target(logged->forward), &target))
		forward_set_target(logged->forward, &target);
	if (logged)
		logged->generation = server->generation;
}

static void on_last(void *arg, Packet *packet)
{
	LogServer *server = arg;
	const char *id = packet_next(packet);
	Logged *logged = id ? table_get(server->by_id, id) : NULL;
	size_t count = 0;

	if (!logged)
		return;
	while (count < LAST_FILES_MAX && packet->fds[count] >= 0)
		count++;
	logged->is_last = true;
	table_remove(server->by_id, id);
	forward_last(logged->forward, packet->fds, count);
}

static const AttendantVerb verbs[] = {
	{"begin", on_begin},
	{"end", on_end},
	{"log", on_log},
	{"last", on_last},
	{0},
};

static bool is_idle(const void *arg)
{
	const LogServer *server = arg;

	return list_empty(&server->all);
}

static const AttendantKind kind = {.version = LOG_VERSION, .verbs = verbs, .linger_ns = LINGER, .is_idle = is_idle};

/* ---- something was written ---- */

static void wake(LogServer *server, const struct inotify_event *event)
{
	bool is_log = event->len && string_starts(event->name, LOG_FILE_NAME);

	list_each(&server->all, Logged, in_all, logged) {
		if ((event->mask & IN_Q_OVERFLOW) || (logged->watch == event->wd && is_log))
			forward_wake(logged->forward);
		if (logged->watch == event->wd && (event->mask & IN_IGNORED))
			logged->watch = NO_WATCH;
	}
}

static void on_notifier(void *arg, int fd, unsigned events)
{
	char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t count = read(fd, buffer, sizeof(buffer));

	(void)events;
	for (char *at = buffer; count > 0 && at < buffer + count;) {
		struct inotify_event *event = (struct inotify_event *)at;
		wake(arg, event);
		at += sizeof(*event) + event->len;
	}
}

static void on_look(void *arg)
{
	LogServer *server = arg;

	list_each(&server->all, Logged, in_all, logged) {
		if (logged->watch != NO_WATCH || logged->is_last)
			continue;
		forward_wake(logged->forward);
		source_rearm(server->look, LOOK_AGAIN);
	}
}

/* ---- life ---- */

fallible log_server_new(LogServer **ret, Loop *loop, const LogServerOptions *options)
{
	autoptr(LogServer) server = mem_new(LogServer);

	server->loop = loop;
	server->notifier = options->notifier;
	server->by_id = table_new();
	list_init(&server->all);
	TRY(loop_timer(&server->look, loop, -1, on_look, server));
	TRY(loop_watch(&server->notifier_source, loop, server->notifier, LOOP_READ, on_notifier, server));
	TRY(attendant_new(&server->attendant, loop, &options->sockets, &kind, server));
	*ret = take(server);
	return NULL;
}

LogServer *log_server_free(LogServer *server)
{
	if (!server)
		return NULL;
	list_each(&server->all, Logged, in_all, logged)
		logged_free(logged);
	table_free(server->by_id);
	attendant_free(server->attendant);
	source_free(server->notifier_source);
	source_free(server->look);
	close_fd(&server->notifier);
	free(server);
	return NULL;
}
