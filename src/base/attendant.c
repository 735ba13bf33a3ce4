// SPDX-License-Identifier: Apache-2.0
#include "base/attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/socket.h"

#define LONELY_LIMIT (3 * NANOS_PER_SECOND)  /* for the first kedged */
#define ACCEPT_PAUSE (NANOS_PER_SECOND / 10) /* after one that failed: the listener stays readable */

enum { PACKETS_PER_TURN = 64, HELD_PER_PACKET = 64, BACKLOG = 4 };

struct Attendant {
	Loop *loop;
	const AttendantKind *kind;
	void *arg;
	int listener, connection;
	Source *listener_source, *connection_source, *lonely, *pause;
	StringList unsaid; /* of what is held */
	bool is_greeting;
};

/* ---- listening ---- */

static fallible bind_to(int fd, const char *program, const char *path)
{
	struct sockaddr_un address;

	TRY(socket_address(&address, path));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return NULL;
	if (errno != EADDRINUSE)
		return error_errno(errno, "could not bind \"%s\"", path);
	autofd probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return error_new(ERROR_CONFLICT, "another %s answers at \"%s\"", program, path);
	TRY(file_unlink(AT_FDCWD, path));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(errno, "could not bind \"%s\"", path);
	return NULL;
}

static fallible listen_at(int *ret_fd, const char *program, const char *path)
{
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	TRY(bind_to(fd, program, path));
	if (chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(errno, "could not listen at \"%s\"", path);
	*ret_fd = take_fd(&fd);
	return NULL;
}

/* Whoever started us may have handed it over. */
static int first_connection(void)
{
	struct stat status;

	return fstat(COMPANION_FD, &status) == 0 && S_ISSOCK(status.st_mode) ? COMPANION_FD : -1;
}

fallible attendant_listen(AttendantSockets *ret, const char *program, const char *path)
{
	int connection = first_connection(); /* before a descriptor of ours has its number */

	TRY(listen_at(&ret->listener, program, path));
	ret->connection = connection;
	return NULL;
}

/* ---- what kedged says ---- */

static void handle(Attendant *it, Packet *packet)
{
	const char *verb = packet_next(packet);

	if (string_equal(verb, "retire"))
		loop_stop(it->loop);
	for (const AttendantVerb *known = it->kind->verbs; known->verb; known++)
		if (string_equal(verb, known->verb))
			known->handle(it->arg, packet);
	packet_close(packet);
}

/* ---- greeting: as fast as kedged reads ---- */

static PacketResult say(const Attendant *it, const char *verb, const char *word)
{
	autoclear(Buffer) packet = {0};

	packet_init(&packet, verb);
	if (word)
		packet_add(&packet, word);
	return packet_send(it->connection, &packet, NULL);
}

static void keep_unsaid(StringList *unsaid, size_t count)
{
	while (unsaid->count > count)
		strings_remove(unsaid, unsaid->count - 1);
}

/* The last ones of what is to be said. */
static PacketResult say_some(Attendant *it)
{
	StringList *unsaid = &it->unsaid;
	size_t left = unsaid->count > HELD_PER_PACKET ? unsaid->count - HELD_PER_PACKET : 0;
	autoclear(Buffer) packet = {0};

	packet_init(&packet, "held");
	for (size_t i = left; i < unsaid->count; i++)
		packet_add(&packet, unsaid->items[i]);
	PacketResult result = packet_send(it->connection, &packet, NULL);
	if (result == PACKET_DONE)
		keep_unsaid(unsaid, left);
	return result;
}

/* What cannot be said, as its end has come, is told where that is read. */
static void go_on_greeting(Attendant *it)
{
	PacketResult result = PACKET_DONE;

	while (it->unsaid.count && result == PACKET_DONE)
		result = say_some(it);
	if (result == PACKET_DONE)
		result = say(it, "ready", NULL);
	it->is_greeting = result == PACKET_LATER;
	source_set_events(it->connection_source, LOOP_READ | (it->is_greeting ? LOOP_WRITE : 0u));
}

static bool greet(Attendant *it)
{
	if (say(it, "hello", it->kind->version) != PACKET_DONE)
		return false;
	if (it->kind->held)
		it->kind->held(it->arg, &it->unsaid);
	go_on_greeting(it);
	return true;
}

/* ---- the connection ---- */

static void on_lonely(void *arg)
{
	Attendant *it = arg;

	if (it->connection < 0 && it->kind->is_idle(it->arg))
		loop_stop(it->loop);
}

static void disconnect(Attendant *it)
{
	it->connection_source = source_free(it->connection_source);
	close_fd(&it->connection);
	strings_clear(&it->unsaid);
	it->is_greeting = false;
}

static void on_connection(void *arg, int fd, unsigned events)
{
	Attendant *it = arg;
	PacketResult result = PACKET_DONE;
	Packet packet;

	if (events & LOOP_WRITE && it->is_greeting)
		go_on_greeting(it);
	for (int i = 0; i < PACKETS_PER_TURN && result == PACKET_DONE; i++) {
		result = packet_receive(&packet, fd);
		if (result == PACKET_DONE)
			handle(it, &packet);
	}
	if (result != PACKET_END)
		return;
	disconnect(it);
	source_rearm(it->lonely, it->kind->linger_ns);
}

static void serve(Attendant *it, int take_connection)
{
	disconnect(it);
	it->connection = take_connection;
	Error *error = loop_watch(&it->connection_source, it->loop, it->connection, LOOP_READ, on_connection, it);

	if (error)
		error_log(error, "could not serve kedged");
	if (error || !greet(it))
		disconnect(it);
}

static void on_pause(void *arg)
{
	Attendant *it = arg;

	source_set_events(it->listener_source, LOOP_READ);
}

static void on_listener(void *arg, int fd, unsigned events)
{
	Attendant *it = arg;
	int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (connection >= 0) {
		serve(it, connection);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		source_set_events(it->listener_source, 0);
		source_rearm(it->pause, ACCEPT_PAUSE);
	}
}

/* ---- life ---- */

void attendant_finished(Attendant *it)
{
	source_rearm(it->lonely, it->kind->linger_ns);
}

fallible attendant_new(
	Attendant **ret, Loop *loop, const AttendantSockets *take_sockets, const AttendantKind *kind, void *arg)
{
	autoptr(Attendant) it = mem_new(Attendant);

	it->loop = loop;
	it->kind = kind;
	it->arg = arg;
	it->listener = take_sockets->listener;
	it->connection = take_sockets->connection;
	TRY(loop_timer(&it->lonely, loop, LONELY_LIMIT, on_lonely, it));
	TRY(loop_timer(&it->pause, loop, -1, on_pause, it));
	TRY(loop_watch(&it->listener_source, loop, it->listener, LOOP_READ, on_listener, it));
	if (it->connection >= 0)
		serve(it, take_fd(&it->connection));
	*ret = take(it);
	return NULL;
}

Attendant *attendant_free(Attendant *it)
{
	if (!it)
		return NULL;
	source_free(it->listener_source);
	source_free(it->lonely);
	source_free(it->pause);
	disconnect(it);
	close_fd(&it->listener);
	free(it);
	return NULL;
}
