// SPDX-License-Identifier: Apache-2.0
#include "base/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"
#include "base/strings.h"

#define RETRY_DELAY (NANOS_PER_SECOND / 10)
#define RETRY_DELAY_MAX (64 * NANOS_PER_SECOND)
#define LASTING (10 * NANOS_PER_SECOND) /* who lived so long is started again at once */

/* What waits for one that does not read; more than that is for one that never will. */
enum { QUEUE_MAX = 64 << 20 };

typedef enum CompanionState {
	OFF,      /* no connection */
	GREETING, /* what it has is not known yet */
	RETIRING, /* of another version: it is waited for */
	READY,
} CompanionState;

typedef struct Waiting {
	List in_queue;
	Buffer packet;
	int fds[PACKET_FDS_MAX];
} Waiting;

struct Companion {
	Loop *loop;
	char *directory, *socket, *path, *program;
	CompanionKind kind;
	void *arg;
	CompanionState state;
	bool is_needed;
	int fd;
	Source *source, *retry;
	int64_t connected_ns, delay_ns;
	List queue;
	size_t queued; /* bytes */
};

/* ---- the queue ---- */

static void waiting_free(Companion *it, Waiting *waiting)
{
	list_remove(&waiting->in_queue);
	it->queued -= waiting->packet.length;
	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		close_fd(&waiting->fds[i]);
	buffer_clear(&waiting->packet);
	free(waiting);
}

static void drop_queue(Companion *it)
{
	while (!list_empty(&it->queue))
		waiting_free(it, list_entry(it->queue.next, Waiting, in_queue));
}

static void add_to_queue(Companion *it, Buffer *take_packet, int *take_fds)
{
	Waiting *waiting = mem_new(Waiting);

	waiting->packet = *take_packet;
	*take_packet = (Buffer){0};
	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		waiting->fds[i] = -1;
	for (size_t i = 0; take_fds && i < PACKET_FDS_MAX && take_fds[i] >= 0; i++)
		waiting->fds[i] = take_fd(&take_fds[i]);
	list_append(&it->queue, &waiting->in_queue);
	it->queued += waiting->packet.length;
}

/* ---- the connection ---- */

static void disconnect(Companion *it)
{
	it->state = OFF;
	it->source = source_free(it->source);
	close_fd(&it->fd);
	drop_queue(it);
	it->kind.gone(it->arg);
}

/* What keeps failing is tried less and less often. */
static void try_later(Companion *it)
{
	bool has_lasted = it->connected_ns && clock_monotonic_ns() - it->connected_ns > LASTING;

	it->delay_ns = has_lasted || !it->delay_ns ? RETRY_DELAY : 2 * it->delay_ns;
	if (it->delay_ns > RETRY_DELAY_MAX)
		it->delay_ns = RETRY_DELAY_MAX;
	it->connected_ns = 0;
	source_rearm(it->retry, has_lasted ? 0 : it->delay_ns);
}

static void connection_ended(Companion *it)
{
	bool is_expected = it->state == RETIRING;

	disconnect(it);
	if (is_expected)
		source_rearm(it->retry, 0);
	else if (it->is_needed) {
		log_error("%s ended: %s again when the next one has started", it->kind.name, it->kind.work);
		try_later(it);
	}
}

static void flush(Companion *it)
{
	while (!list_empty(&it->queue)) {
		Waiting *first = list_entry(it->queue.next, Waiting, in_queue);
		if (packet_send(it->fd, &first->packet, first->fds) == PACKET_LATER)
			break;
		waiting_free(it, first); /* one that cannot be sent is told of where its end is read */
	}
	source_set_events(it->source, list_empty(&it->queue) ? LOOP_READ : LOOP_READ | LOOP_WRITE);
}

void companion_say(Companion *it, Buffer *packet, int *take_fds)
{
	if (it->state == OFF)
		return;
	if (buffer_overflown(packet)) {
		log_error("%s is not told: it takes more than %d bytes", it->kind.name, PACKET_MAX);
		return;
	}
	if (list_empty(&it->queue) && packet_send(it->fd, packet, take_fds) != PACKET_LATER)
		return;
	add_to_queue(it, packet, take_fds);
	if (it->queued > QUEUE_MAX)
		shutdown(it->fd, SHUT_RDWR); /* its end is read from the loop, where everything begins anew */
	else
		source_set_events(it->source, LOOP_READ | LOOP_WRITE);
}

static void say_word(Companion *it, const char *verb)
{
	autoclear(Buffer) packet = {0};

	packet_init(&packet, verb);
	companion_say(it, &packet, NULL);
}

/* ---- what it says ---- */

static void on_hello(Companion *it, Packet *packet)
{
	const char *version = packet_next(packet);

	if (string_equal(version, it->kind.version))
		return;
	it->state = RETIRING;
	say_word(it, "retire");
}

static void on_ready(Companion *it, Packet *packet)
{
	(void)packet;
	if (it->state != GREETING)
		return;
	it->state = READY;
	say_word(it, "begin");
	it->kind.ready(it->arg);
	say_word(it, "end");
}

static const struct {
	const char *verb;
	void (*handle)(Companion *it, Packet *packet);
} verbs[] = {
	{"hello", on_hello},
	{"ready", on_ready},
};

static void handle(Companion *it, Packet *packet)
{
	const char *verb = packet_next(packet);

	for (size_t i = 0; i < COUNT(verbs); i++)
		if (string_equal(verb, verbs[i].verb))
			verbs[i].handle(it, packet);
	if (it->kind.packet)
		it->kind.packet(it->arg, verb, packet);
	packet_close(packet);
}

static void on_event(void *arg, int fd, unsigned events)
{
	Companion *it = arg;
	Packet packet;
	PacketResult result;

	while ((result = packet_receive(&packet, fd)) == PACKET_DONE)
		handle(it, &packet);
	if (result == PACKET_END)
		connection_ended(it);
	else if (events & LOOP_WRITE)
		flush(it);
}

/* ---- connecting, starting ---- */

static fallible connected(Companion *it, int *take_connection)
{
	TRY(loop_watch(&it->source, it->loop, *take_connection, LOOP_READ, on_event, it));
	it->fd = take_fd(take_connection);
	it->state = GREETING;
	it->connected_ns = clock_monotonic_ns();
	return NULL;
}

/* *ret -1: there is none. A directory's path may be longer than a socket's address can be; its descriptor is not. */
static fallible connect_to(int *ret, const Companion *it)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	autofd directory = -1, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	TRY(file_open(&directory, AT_FDCWD, it->directory, O_PATH | O_DIRECTORY, 0));
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory, it->socket);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		*ret = take_fd(&fd);
	else if (errno != ENOENT && errno != ECONNREFUSED)
		return error_errno(errno, "could not connect to \"%s\"", it->path);
	return NULL;
}

static fallible start(Companion *it)
{
	const char *argv[] = {it->kind.name, "--socket", it->path, NULL};
	int ends[2];
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(errno, "could not make a connection");
	autofd ours = ends[0], its = ends[1];
	ProcessSpec spec = {.path = it->program,
		.argv = argv,
		.directory = "/",
		.new_session = true,
		.fds = {{its, COMPANION_FD}},
		.fd_count = 1};
	TRY(process_spawn(&pid, &spec));
	orphan_reap(it->loop, pid); /* its end is told by the connection's */
	return connected(it, &ours);
}

static fallible connect_or_start(Companion *it)
{
	autofd fd = -1;

	TRY(connect_to(&fd, it));
	if (fd >= 0)
		return connected(it, &fd);
	return it->is_needed ? start(it) : NULL;
}

static void complete(void *arg)
{
	Companion *it = arg;

	if (it->state != OFF)
		return;
	Error *error = connect_or_start(it);
	if (!error)
		return;
	error_log(error, "%s: could not start %s", it->kind.work, it->kind.name);
	try_later(it);
}

void companion_need(Companion *it)
{
	if (it->is_needed)
		return;
	it->is_needed = true;
	complete(it);
}

bool companion_is_ready(const Companion *it)
{
	return it->state == READY;
}

/* ---- life ---- */

fallible companion_open(
	Companion **ret, Loop *loop, const char *run_dir, const char *program, const CompanionKind *kind, void *arg)
{
	autoptr(Companion) it = mem_new(Companion);

	it->loop = loop;
	it->kind = *kind;
	it->arg = arg;
	it->fd = -1;
	list_init(&it->queue);
	it->directory = path_join(run_dir, kind->directory);
	it->socket = string_printf("%s.sock", kind->directory);
	it->path = path_join(it->directory, it->socket);
	it->program = mem_strdup(program);
	TRY(dir_make_all(AT_FDCWD, it->directory, 0700));
	TRY(loop_timer(&it->retry, loop, -1, complete, it));
	complete(it);
	*ret = take(it);
	return NULL;
}

Companion *companion_close(Companion *it)
{
	if (!it)
		return NULL;
	disconnect(it);
	source_free(it->retry);
	free(it->directory);
	free(it->socket);
	free(it->path);
	free(it->program);
	free(it);
	return NULL;
}
