// SPDX-License-Identifier: Apache-2.0
#include "tls/relay.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "tls/context.h"

enum {
	PIPE_SIZE = 32 << 10,
	ROUNDS = 16, /* before the loop's other sources get their turn */
	DISCARD_SIZE = 4 << 10,
};

#define LOOK_INTERVAL (NANOS_PER_SECOND)
#define LEFT_LIMIT (5 * NANOS_PER_SECOND) /* for what a client sent before its end to be taken */
#define LINGER (2 * NANOS_PER_SECOND)     /* for the peer to read what was sent, after our end */

/* One direction. */
typedef struct Pipe {
	char *data; /* NULL while it is empty */
	size_t begin, end;
	bool has_ended; /* the source has */
	bool is_done;   /* and the other side knows */
	bool is_broken; /* the other side takes no more: what comes is dropped */
} Pipe;

typedef enum RelayPhase { RELAY_HANDSHAKE, RELAY_READY, RELAY_JOINED, RELAY_LINGERS, RELAY_ENDED } RelayPhase;

struct Relay {
	Loop *loop;
	SSL *ssl;
	int tls_fd, plain_fd;
	Source *tls, *plain, *linger, *look;
	RelayPhase phase;
	Pipe in, out; /* from the TLS side, towards it */
	bool read_wants_write, write_wants_read;
	int64_t left_ns; /* since when a client that has ended sees nothing taken of its input; 0: not so */
	Error *error;    /* of the handshake: told when the peer has had time to read the alert */
	RelayHandlers handlers;
	void *arg;
};

/* ---- the end ---- */

static void stop_sources(Relay *relay)
{
	relay->tls = source_free(relay->tls);
	relay->plain = source_free(relay->plain);
	relay->linger = source_free(relay->linger);
	relay->look = source_free(relay->look);
}

static void end(Relay *relay, Error *take_error)
{
	if (relay->phase == RELAY_ENDED) {
		error_free(take_error); /* the first one counts */
		return;
	}
	relay->phase = RELAY_ENDED;
	stop_sources(relay);
	close_fd(&relay->plain_fd);
	relay->handlers.ended(relay->arg, take_error);
}

static void end_lingering(Relay *relay)
{
	end(relay, take(relay->error));
}

static void linger_fired(void *arg)
{
	end_lingering(arg);
}

/* Closing with something unread would reset the connection, and take from the peer what it has not read yet. */
static void start_lingering(Relay *relay)
{
	Error *error = loop_timer(&relay->linger, relay->loop, LINGER, linger_fired, relay);

	if (error) {
		end(relay, error);
		return;
	}
	relay->phase = RELAY_LINGERS;
	relay->look = source_free(relay->look);
	relay->plain = source_free(relay->plain);
	close_fd(&relay->plain_fd);
	shutdown(relay->tls_fd, SHUT_WR);
	source_set_events(relay->tls, LOOP_READ);
}

static void discard(Relay *relay)
{
	char bytes[DISCARD_SIZE];
	ssize_t length = recv(relay->tls_fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		end_lingering(relay);
}

/* ---- pipes ---- */

static bool is_empty(const Pipe *pipe)
{
	return pipe->begin == pipe->end;
}

static void release_if_empty(Pipe *pipe)
{
	if (!is_empty(pipe))
		return;
	free(take(pipe->data));
	pipe->begin = pipe->end = 0;
}

static void drop(Pipe *pipe)
{
	pipe->begin = pipe->end;
}

static void reserve(Pipe *pipe)
{
	if (!pipe->data)
		pipe->data = mem_alloc(PIPE_SIZE);
	pipe->begin = pipe->end = 0;
}

/* ---- the TLS side ---- */

/* Its end without close_notify, or an alert: the peer has left. */
static void tls_failed(Relay *relay, const char *what)
{
	end(relay, tls_error(relay->ssl, what));
}

/* True when bytes came, or the end. */
static bool read_tls(Relay *relay)
{
	Pipe *pipe = &relay->in;
	int result;

	if (pipe->has_ended || !is_empty(pipe))
		return false;
	reserve(pipe);
	ERR_clear_error();
	result = SSL_read(relay->ssl, pipe->data, PIPE_SIZE);
	relay->read_wants_write = false;
	if (result > 0) {
		pipe->end = (size_t)result;
		return true;
	}
	switch (SSL_get_error(relay->ssl, result)) {
	case SSL_ERROR_WANT_WRITE:
		relay->read_wants_write = true;
		return false;
	case SSL_ERROR_WANT_READ:
		return false;
	case SSL_ERROR_ZERO_RETURN:
		return pipe->has_ended = true;
	default:
		tls_failed(relay, "TLS broke off");
		return false;
	}
}

static bool write_tls(Relay *relay)
{
	Pipe *pipe = &relay->out;
	int result;

	if (is_empty(pipe))
		return false;
	ERR_clear_error();
	result = SSL_write(relay->ssl, pipe->data + pipe->begin, (int)(pipe->end - pipe->begin));
	relay->write_wants_read = false;
	if (result > 0) {
		pipe->begin += (size_t)result;
		return true;
	}
	switch (SSL_get_error(relay->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		relay->write_wants_read = true;
		return false;
	case SSL_ERROR_WANT_WRITE:
		return false;
	default:
		tls_failed(relay, "TLS broke off");
		return false;
	}
}

/* close_notify: it may have to wait for room. */
static bool finish_tls(Relay *relay)
{
	if (relay->out.is_done || !relay->out.has_ended || !is_empty(&relay->out))
		return false;
	ERR_clear_error();
	int result = SSL_shutdown(relay->ssl);
	if (result < 0 && SSL_get_error(relay->ssl, result) == SSL_ERROR_WANT_WRITE)
		return false;
	ERR_clear_error(); /* a peer that is gone is told by reading */
	return relay->out.is_done = true;
}

/* After close_notify only the end of TCP may come. */
static void look_for_leaving(Relay *relay)
{
	char bytes[DISCARD_SIZE];
	ssize_t length;

	if (!relay->in.is_done)
		return;
	length = recv(relay->tls_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		end(relay, NULL);
}

/* ---- the plain side ---- */

static bool write_plain(Relay *relay)
{
	Pipe *pipe = &relay->in;
	ssize_t length;

	if (is_empty(pipe))
		return false;
	if (pipe->is_broken) {
		drop(pipe);
		return true;
	}
	length = send(relay->plain_fd, pipe->data + pipe->begin, pipe->end - pipe->begin, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (length < 0)
		pipe->is_broken = true; /* it may still have something to say */
	else
		pipe->begin += (size_t)length;
	relay->left_ns = 0;
	return true;
}

static bool finish_plain(Relay *relay)
{
	if (relay->in.is_done || !relay->in.has_ended || !is_empty(&relay->in))
		return false;
	shutdown(relay->plain_fd, SHUT_WR);
	return relay->in.is_done = true;
}

static bool read_plain(Relay *relay)
{
	Pipe *pipe = &relay->out;
	ssize_t length;

	if (pipe->has_ended || !is_empty(pipe))
		return false;
	reserve(pipe);
	length = recv(relay->plain_fd, pipe->data, PIPE_SIZE, MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (length > 0)
		pipe->end = (size_t)length;
	else
		pipe->has_ended = true;
	return true;
}

/* Both directions: an end of sending alone is none of the connection. */
static bool plain_is_closed(const Relay *relay)
{
	struct pollfd poll_fd = {.fd = relay->plain_fd};

	return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLHUP;
}

/* ---- all of it ---- */

static bool is_over(const Relay *relay)
{
	return relay->out.is_done && (relay->in.is_done || relay->in.is_broken || plain_is_closed(relay));
}

/* A client whose input is held is not read from: its leaving is seen by this alone. What a server has sent before its
 * end is of use at any time. */
static bool has_left(Relay *relay)
{
	struct pollfd poll_fd = {.fd = relay->tls_fd, .events = POLLRDHUP};
	int64_t now = clock_monotonic_ns();

	if (is_empty(&relay->in) || !SSL_is_server(relay->ssl) || poll(&poll_fd, 1, 0) != 1)
		return false;
	if (relay->left_ns == 0)
		relay->left_ns = now;
	return poll_fd.revents & (POLLERR | POLLHUP) || now - relay->left_ns >= LEFT_LIMIT;
}

static bool has_to_look(const Relay *relay)
{
	return relay->out.is_done || !is_empty(&relay->in);
}

/* The loop does not tell that a socket that had ended its sending was closed at last. */
static void look_fired(void *arg)
{
	Relay *relay = arg;

	if (is_over(relay))
		start_lingering(relay);
	else if (has_left(relay))
		end(relay, NULL);
	else if (has_to_look(relay))
		source_rearm(relay->look, LOOK_INTERVAL);
	else
		relay->look = source_free(relay->look);
}

static void look_later(Relay *relay)
{
	Error *error = relay->look ? NULL : loop_timer(&relay->look, relay->loop, LOOK_INTERVAL, look_fired, relay);

	if (error)
		end(relay, error);
}

static bool step(Relay *relay)
{
	bool moved = read_tls(relay);

	if (relay->phase != RELAY_JOINED)
		return false;
	moved |= write_plain(relay);
	moved |= finish_plain(relay);
	moved |= read_plain(relay);
	moved |= write_tls(relay);
	if (relay->phase != RELAY_JOINED)
		return false;
	return moved | finish_tls(relay);
}

static void choose_events(Relay *relay)
{
	unsigned tls = 0, plain = 0;

	if ((is_empty(&relay->in) && !relay->in.has_ended) || relay->in.is_done || relay->write_wants_read)
		tls |= LOOP_READ;
	if (!is_empty(&relay->out) || (relay->out.has_ended && !relay->out.is_done) || relay->read_wants_write)
		tls |= relay->write_wants_read ? 0 : LOOP_WRITE;
	if (is_empty(&relay->out) && !relay->out.has_ended)
		plain |= LOOP_READ;
	if (!is_empty(&relay->in))
		plain |= LOOP_WRITE;
	source_set_events(relay->tls, tls);
	source_set_events(relay->plain, plain);
}

static void pump(Relay *relay)
{
	for (int i = 0; i < ROUNDS && step(relay); i++)
		;
	if (relay->phase != RELAY_JOINED)
		return;
	release_if_empty(&relay->in);
	release_if_empty(&relay->out);
	look_for_leaving(relay);
	if (relay->phase != RELAY_JOINED)
		return;
	if (is_over(relay)) {
		start_lingering(relay);
		return;
	}
	choose_events(relay);
	if (has_to_look(relay))
		look_later(relay);
}

/* A client of TLS 1.3 may have sent its request already: it is to find the alert, and no reset. */
static void handshake_failed(Relay *relay, bool has_alert)
{
	static const char what[] = "no TLS connection";

	if (!has_alert || !SSL_is_server(relay->ssl)) {
		tls_failed(relay, what);
		return;
	}
	relay->error = tls_error(relay->ssl, what);
	start_lingering(relay);
}

static void handshake(Relay *relay)
{
	int result, reason;

	ERR_clear_error();
	result = SSL_do_handshake(relay->ssl);
	if (result == 1) {
		relay->phase = RELAY_READY;
		source_set_events(relay->tls, 0);
		relay->handlers.ready(relay->arg);
		return;
	}
	switch (reason = SSL_get_error(relay->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		source_set_events(relay->tls, LOOP_READ);
		return;
	case SSL_ERROR_WANT_WRITE:
		source_set_events(relay->tls, LOOP_WRITE);
		return;
	default:
		handshake_failed(relay, reason == SSL_ERROR_SSL);
	}
}

static void on_tls(void *arg, int fd, unsigned events)
{
	Relay *relay = arg;

	(void)fd, (void)events;
	if (relay->phase == RELAY_HANDSHAKE)
		handshake(relay);
	else if (relay->phase == RELAY_JOINED)
		pump(relay);
	else if (relay->phase == RELAY_LINGERS)
		discard(relay);
}

static void on_plain(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	pump(arg);
}

/* ---- life ---- */

fallible relay_new(Relay **ret, Loop *loop, SSL *take_ssl, const RelayHandlers *handlers, void *arg)
{
	autoptr(Relay) relay = mem_new(Relay);
	int fd = SSL_get_fd(take_ssl);

	*relay =
		(Relay){.loop = loop, .ssl = take_ssl, .tls_fd = fd, .plain_fd = -1, .handlers = *handlers, .arg = arg};
	TRY(loop_watch(&relay->tls, loop, fd, SSL_is_server(take_ssl) ? LOOP_READ : LOOP_WRITE, on_tls, relay));
	*ret = take(relay);
	return NULL;
}

fallible relay_join(Relay *relay, int take_plain_fd)
{
	autofd plain = take_plain_fd;

	TRY(loop_watch(&relay->plain, relay->loop, plain, LOOP_READ, on_plain, relay));
	relay->plain_fd = take_fd(&plain);
	relay->phase = RELAY_JOINED;
	source_set_events(relay->tls, LOOP_READ | LOOP_WRITE); /* what came with the handshake is not told by epoll */
	return NULL;
}

Relay *relay_free(Relay *relay)
{
	if (!relay)
		return NULL;
	stop_sources(relay);
	SSL_free(relay->ssl);
	close_fd(&relay->tls_fd);
	close_fd(&relay->plain_fd);
	free(relay->in.data);
	free(relay->out.data);
	error_free(relay->error); /* nobody waits for it any more */
	free(relay);
	return NULL;
}

static void free_now(void *arg)
{
	relay_free(arg);
}

void relay_free_later(Relay *relay)
{
	if (!relay)
		return;
	relay->phase = RELAY_ENDED;
	stop_sources(relay);
	loop_defer_free(relay->loop, free_now, relay);
}

const SSL *relay_ssl(const Relay *relay)
{
	return relay->ssl;
}
