// SPDX-License-Identifier: Apache-2.0
#include "tls/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/memory.h"
#include "base/strings.h"
#include "tls/address.h"
#include "tls/relay.h"

enum { CONNECT_LIMIT_S = 30 };

#define HANDSHAKE_LIMIT (CONNECT_LIMIT_S * NANOS_PER_SECOND)

typedef struct Client {
	Loop *loop;
	Relay *relay;
	Source *limit; /* of the handshake */
	int plain_fd;
	Error *error;
} Client;

/* ---- the relay's words ---- */

static void on_ended(void *arg, Error *take_error)
{
	Client *client = arg;

	client->error = take_error;
	loop_stop(client->loop);
}

static void limit_fired(void *arg)
{
	on_ended(arg, error_new(ERROR_TIMEOUT, "the TLS handshake took longer than %d seconds", CONNECT_LIMIT_S));
}

static void on_ready(void *arg)
{
	Client *client = arg;

	client->limit = source_free(client->limit);
	Error *error = relay_join(client->relay, take_fd(&client->plain_fd));

	if (error)
		on_ended(client, error);
}

/* ---- connecting ---- */

static fallible split_place(char **ret_host, char **ret_port, const char *place)
{
	const char *colon = strrchr(place, ':');
	size_t length = colon ? (size_t)(colon - place) : 0;

	if (length > 2 && *place == '[' && place[length - 1] == ']') {
		place++;
		length -= 2;
	}
	if (length == 0 || !colon[1])
		return error_new(ERROR_INVALID, "\"%s\" is not of the form HOST:PORT", place);
	*ret_host = mem_strndup(place, length);
	*ret_port = mem_strdup(colon + 1);
	return NULL;
}

static fallible connect_one(int *ret_fd, const struct addrinfo *info)
{
	const struct timeval limit = {.tv_sec = CONNECT_LIMIT_S};
	autofd fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* connect(2) heeds it */
	tcp_address_prepare(fd);
	if (connect(fd, info->ai_addr, info->ai_addrlen) < 0)
		return error_errno(errno == EINPROGRESS ? ETIMEDOUT : errno, "could not connect");
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible connect_any(int *ret_fd, const struct addrinfo *list)
{
	Error *error = NULL;

	for (; list; list = list->ai_next) {
		error_free(error); /* the last one is told */
		error = connect_one(ret_fd, list);
		if (!error)
			return NULL;
	}
	return error;
}

static fallible connect_to(int *ret_fd, const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int failed = getaddrinfo(host, port, &hints, &list);
	Error *error;

	if (failed)
		return error_new(ERROR_UNAVAILABLE, "could not find \"%s\": %s", host, gai_strerror(failed));
	error = connect_any(ret_fd, list);
	freeaddrinfo(list);
	return error;
}

/* ---- all of it ---- */

static fallible start_relay(Client *client, TlsContext *context, const char *place)
{
	static const RelayHandlers handlers = {.ready = on_ready, .ended = on_ended};
	autofree char *host = NULL;
	autofree char *port = NULL;
	autofd fd = -1;
	SSL *ssl = NULL;

	TRY(split_place(&host, &port, place));
	TRY(connect_to(&fd, host, port));
	TRY(context_connection(&ssl, context, fd, host));
	take_fd(&fd);
	TRY(relay_new(&client->relay, client->loop, ssl, &handlers, client));
	return loop_timer(&client->limit, client->loop, HANDSHAKE_LIMIT, limit_fired, client);
}

static fallible run(Client *client, const char *place, const Pem pems[PEM_COUNT])
{
	autoptr(TlsContext) context = NULL;

	TRY(context_new_client(&context, pems));
	TRY(loop_new(&client->loop));
	TRY(start_relay(client, context, place));
	TRY(loop_run(client->loop));
	return take(client->error);
}

fallible tls_client_run(const char *place, const Pem pems[PEM_COUNT], int take_plain_fd)
{
	Client client = {.plain_fd = take_plain_fd};
	Error *error = run(&client, place, pems);

	source_free(client.limit);
	relay_free(client.relay);
	loop_free(client.loop);
	close_fd(&client.plain_fd);
	return error;
}
