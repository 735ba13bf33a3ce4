// SPDX-License-Identifier: Apache-2.0
#include "dns/forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#define NEXT_SERVER_AFTER (3 * NANOS_PER_SECOND / 2)
#define FORWARD_LIMIT (8 * NANOS_PER_SECOND) /* clients ask again after five seconds */
#define SLOW_TIME (10 * NANOS_PER_SECOND)

enum { PACKETS_PER_TURN = 16, PREFIX = 2 /* of a message on a stream: its length */ };

typedef struct SlowServer {
	Server server;
	int64_t until_ns;
} SlowServer;

struct Forwarder {
	Loop *loop;
	size_t count;
	SlowServer slow[SERVERS_MAX];
	size_t slow_next;
};

typedef struct Attempt {
	Forward *forward;
	const Server *server;
	int fd; /* -1: it has failed */
	Source *source;
	uint16_t id;
	size_t sent; /* on a stream */
	Buffer in;   /* on a stream */
} Attempt;

struct Forward {
	Forwarder *forwarder;
	Question question;
	uint8_t *message; /* with PREFIX in front */
	size_t length;    /* without it */
	bool is_stream;
	Server *servers;
	Attempt *attempts; /* one for each server */
	size_t server_count, asked, open;
	int64_t begun_ns;
	Source *timer;
	uint8_t *failure; /* what a server said that cannot answer: passed on when nobody can */
	size_t failure_length;
	ForwardDone *done;
	void *arg;
};

static uint8_t incoming[MESSAGE_MAX]; /* one is handled at a time */

/* ---- servers that let us wait ---- */

static bool is_same_server(const Server *a, const Server *b)
{
	return a->length == b->length && !memcmp(&a->address, &b->address, a->length);
}

static SlowServer *find_slow(Forwarder *forwarder, const Server *server)
{
	for (size_t i = 0; i < SERVERS_MAX; i++)
		if (is_same_server(&forwarder->slow[i].server, server))
			return &forwarder->slow[i];
	return NULL;
}

static void note_slow(Forwarder *forwarder, const Server *server)
{
	SlowServer *slow = find_slow(forwarder, server);

	if (!slow)
		slow = &forwarder->slow[forwarder->slow_next++ % SERVERS_MAX];
	*slow = (SlowServer){.server = *server, .until_ns = clock_monotonic_ns() + SLOW_TIME};
}

static void note_answer(Forwarder *forwarder, const Server *server)
{
	SlowServer *slow = find_slow(forwarder, server);

	if (slow)
		*slow = (SlowServer){0};
}

static bool is_slow(Forwarder *forwarder, const Server *server)
{
	const SlowServer *slow = find_slow(forwarder, server);

	return slow && clock_monotonic_ns() < slow->until_ns;
}

/* In their order, the slow ones behind the others. */
static Server *sort_servers(Forwarder *forwarder, const ServerList *list)
{
	Server *sorted = mem_alloc(list->count * sizeof(Server));
	size_t count = 0;

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < list->count; i++)
			if (is_slow(forwarder, &list->items[i]) == (round == 1))
				sorted[count++] = list->items[i];
	return sorted;
}

/* ---- ends ---- */

static void attempt_close(Attempt *attempt)
{
	if (attempt->fd < 0)
		return;
	attempt->source = source_free(attempt->source);
	close_fd(&attempt->fd);
	buffer_clear(&attempt->in);
	attempt->forward->open--;
}

static void finish(Forward *forward, uint8_t *answer, size_t length)
{
	if (answer)
		message_set_id(answer, forward->question.id);
	forward->done(forward->arg, answer, length);
}

/* ---- sending ---- */

static uint8_t *message_of(const Attempt *attempt)
{
	uint8_t *message = attempt->forward->message + PREFIX;

	message_set_id(message, attempt->id); /* another attempt has another one */
	return message;
}

static bool send_packet(const Attempt *attempt)
{
	size_t length = attempt->forward->length;

	return send(attempt->fd, message_of(attempt), length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length;
}

/* False: it has failed. */
static bool send_stream(Attempt *attempt)
{
	size_t length = attempt->forward->length + PREFIX;
	const uint8_t *message = message_of(attempt) - PREFIX;
	ssize_t sent = send(attempt->fd, message + attempt->sent, length - attempt->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	attempt->sent += (size_t)sent;
	if (attempt->sent == length)
		source_set_events(attempt->source, LOOP_READ);
	return true;
}

static void on_packet(void *arg, int fd, unsigned events);
static void on_stream(void *arg, int fd, unsigned events);

static bool watch(Attempt *attempt)
{
	const Forward *forward = attempt->forward;
	Error *error = loop_watch(&attempt->source, forward->forwarder->loop, attempt->fd,
		forward->is_stream ? LOOP_READ | LOOP_WRITE : LOOP_READ, forward->is_stream ? on_stream : on_packet,
		attempt);
	bool is_watched = !error;

	error_free(error); /* the server counts as one that cannot be asked */
	return is_watched;
}

static bool begin(Attempt *attempt)
{
	const Server *server = attempt->server;
	bool is_stream = attempt->forward->is_stream;

	attempt->fd = socket(
		server->address.ss_family, (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (attempt->fd < 0 || getrandom(&attempt->id, sizeof(attempt->id), 0) < 0)
		return false;
	if (connect(attempt->fd, (const struct sockaddr *)&server->address, server->length) < 0 && errno != EINPROGRESS)
		return false;
	return (is_stream || send_packet(attempt)) && watch(attempt);
}

/* False: there is no other server that can be asked. */
static bool ask_next(Forward *forward)
{
	while (forward->asked < forward->server_count) {
		size_t index = forward->asked++;
		Attempt *attempt = &forward->attempts[index];
		*attempt = (Attempt){.forward = forward, .server = &forward->servers[index], .fd = -1};
		buffer_init(&attempt->in, PREFIX + MESSAGE_MAX);
		if (begin(attempt)) {
			forward->open++;
			return true;
		}
		close_fd(&attempt->fd);
	}
	return false;
}

/* Until the next server's turn, or the end. */
static int64_t wait_time(const Forward *forward)
{
	int64_t left = forward->begun_ns + FORWARD_LIMIT - clock_monotonic_ns();

	if (forward->asked < forward->server_count && left > NEXT_SERVER_AFTER)
		return NEXT_SERVER_AFTER;
	return left > 0 ? left : 0;
}

static void give_up(Forward *forward)
{
	finish(forward, forward->failure, forward->failure_length);
}

static void go_on(Forward *forward)
{
	if (ask_next(forward))
		source_rearm(forward->timer, wait_time(forward));
	else if (!forward->open)
		give_up(forward);
}

static void attempt_failed(Attempt *attempt)
{
	attempt_close(attempt);
	go_on(attempt->forward);
}

/* Nobody has answered yet: the one that was asked last is slow. */
static void on_timer(void *arg)
{
	Forward *forward = arg;

	note_slow(forward->forwarder, forward->attempts[forward->asked - 1].server);
	if (clock_monotonic_ns() - forward->begun_ns >= FORWARD_LIMIT)
		give_up(forward);
	else if (ask_next(forward) || forward->open)
		source_rearm(forward->timer, wait_time(forward));
	else
		give_up(forward);
}

/* ---- receiving ---- */

/* False: it was no answer to the question. Nothing is to be touched after true. */
static bool take_answer(Attempt *attempt, uint8_t *answer, size_t length)
{
	Forward *forward = attempt->forward;
	MessageCode code;

	if (!message_answers(&code, &forward->question, attempt->id, answer, length))
		return false;
	note_answer(forward->forwarder, attempt->server);
	if (code != MESSAGE_FAILED && code != MESSAGE_REFUSED) {
		finish(forward, answer, length);
		return true;
	}
	free(forward->failure);
	forward->failure = mem_dup(answer, length);
	forward->failure_length = length;
	attempt_failed(attempt);
	return true;
}

static void on_packet(void *arg, int fd, unsigned events)
{
	Attempt *attempt = arg;

	(void)events;
	for (int i = 0; i < PACKETS_PER_TURN; i++) {
		ssize_t length = recv(fd, incoming, sizeof(incoming), MSG_DONTWAIT);
		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length < 0) { /* the server's host said that nobody is there */
			attempt_failed(attempt);
			return;
		}
		if (take_answer(attempt, incoming, (size_t)length))
			return;
	}
}

/* 0: not all of it is there. */
static size_t stream_message_length(const Buffer *in)
{
	uint16_t length;

	if (in->length < PREFIX)
		return 0;
	memcpy(&length, in->data, sizeof(length));
	return in->length >= PREFIX + (size_t)ntohs(length) ? ntohs(length) : 0;
}

static void read_stream(Attempt *attempt)
{
	char *room = buffer_reserve(&attempt->in, PREFIX + MESSAGE_MAX - attempt->in.length);
	ssize_t count = room ? recv(attempt->fd, room, PREFIX + MESSAGE_MAX - attempt->in.length, MSG_DONTWAIT) : 0;

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		attempt_failed(attempt);
		return;
	}
	buffer_commit(&attempt->in, (size_t)count);
	size_t length = stream_message_length(&attempt->in);
	if (length && !take_answer(attempt, (uint8_t *)attempt->in.data + PREFIX, length))
		attempt_failed(attempt);
}

static void on_stream(void *arg, int fd, unsigned events)
{
	Attempt *attempt = arg;

	(void)fd;
	if (events & LOOP_WRITE && !send_stream(attempt))
		attempt_failed(attempt);
	else if (events & LOOP_READ)
		read_stream(attempt);
}

/* ---- life ---- */

Forwarder *forwarder_new(Loop *loop)
{
	Forwarder *forwarder = mem_new(Forwarder);

	forwarder->loop = loop;
	return forwarder;
}

Forwarder *forwarder_free(Forwarder *forwarder)
{
	free(forwarder);
	return NULL;
}

size_t forwarder_count(const Forwarder *forwarder)
{
	return forwarder->count;
}

static void copy_message(Forward *forward, const ForwardOrder *order)
{
	uint16_t prefix = htons((uint16_t)order->length);

	forward->length = order->length;
	forward->message = mem_alloc(PREFIX + order->length);
	memcpy(forward->message, &prefix, PREFIX);
	memcpy(forward->message + PREFIX, order->bytes, order->length);
}

static bool start(Forward *forward)
{
	if (!ask_next(forward))
		return false;
	Error *error = loop_timer(&forward->timer, forward->forwarder->loop, wait_time(forward), on_timer, forward);
	bool is_started = !error;

	error_free(error); /* the client is told that it failed */
	return is_started;
}

Forward *forward_new(Forwarder *forwarder, ForwardOrder *order, ForwardDone *done, void *arg)
{
	Forward *forward = mem_new(Forward);

	forward->forwarder = forwarder;
	forwarder->count++;
	forward->is_stream = order->is_stream;
	forward->servers = sort_servers(forwarder, &order->servers);
	forward->server_count = order->servers.count;
	forward->attempts = mem_alloc(order->servers.count * sizeof(Attempt));
	forward->begun_ns = clock_monotonic_ns();
	forward->done = done;
	forward->arg = arg;
	copy_message(forward, order);
	if (!start(forward))
		return forward_free(forward);
	forward->question = *order->take_question;
	*order->take_question = (Question){0};
	return forward;
}

Forward *forward_free(Forward *forward)
{
	if (!forward)
		return NULL;
	for (size_t i = 0; i < forward->asked; i++)
		attempt_close(&forward->attempts[i]);
	forward->forwarder->count--;
	source_free(forward->timer);
	question_clear(&forward->question);
	free(forward->message);
	free(forward->servers);
	free(forward->attempts);
	free(forward->failure);
	free(forward);
	return NULL;
}

const Question *forward_question(const Forward *forward)
{
	return &forward->question;
}
