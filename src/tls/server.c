// SPDX-License-Identifier: Apache-2.0
#include "tls/server.h"

#include <errno.h>
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
#include "tls/address.h"
#include "tls/context.h"
#include "tls/refusals.h"
#include "tls/relay.h"
#include "tls/talk.h"

enum {
	HANDSHAKES_MAX = 64, /* at a time; with more, the oldest has to go: who is let in is never pushed out */
	ACCEPTS_AT_ONCE = 16,
};

#define HANDSHAKE_LIMIT (10 * NANOS_PER_SECOND)
#define JOIN_LIMIT (10 * NANOS_PER_SECOND) /* for a kedged to be there again */
#define JOIN_INTERVAL (20 * NANOS_PER_MILLI)
#define ASK_INTERVAL NANOS_PER_SECOND
#define ASK_LIMIT (2 * NANOS_PER_SECOND)
#define REST_DELAY (2 * NANOS_PER_SECOND)
#define ALONE_LIMIT (60 * NANOS_PER_SECOND) /* without a kedged */

typedef struct Listener {
	struct TlsServer *server;
	int fd;
	Source *source;
} Listener;

struct TlsServer {
	Loop *loop;
	TlsContext *context; /* NULL: no certificates that can be used */
	Listener listeners[TALK_FDS_MAX];
	size_t listener_count;
	int control, takeover;
	Source *control_source, *takeover_source;
	Source *ask_limit; /* kedged was asked, and nobody is accepted until it answers */
	Source *alone;
	Source *resting;
	int64_t asked_ns;
	List handshakes, connections; /* Connection */
	size_t handshake_count, connection_count, connections_max;
	size_t guest_count; /* of the connections: they may fill half of the places, so that who has a certificate gets
			       in */
	bool has_guests;
	Refusals refusals;
	bool is_retired;
};

typedef struct Connection {
	List link;
	TlsServer *server;
	Relay *relay;
	Source *timer; /* the handshake's limit, then the next try to reach kedged */
	int64_t join_until_ns;
	bool is_let_in;
	bool is_guest; /* has no certificate */
	char peer[TCP_ADDRESS_TEXT_MAX];
} Connection;

/* ---- connections ---- */

static void end_if_idle(TlsServer *server)
{
	if (server->is_retired && server->handshake_count + server->connection_count == 0)
		loop_stop(server->loop);
}

/* Also from the relay's callbacks. */
static void connection_free(Connection *connection)
{
	TlsServer *server = connection->server;

	list_remove(&connection->link);
	if (connection->is_let_in && connection->is_guest)
		server->guest_count--;
	if (connection->is_let_in)
		server->connection_count--;
	else
		server->handshake_count--;
	source_free(connection->timer);
	relay_free_later(connection->relay);
	free(connection);
	end_if_idle(server);
}

static void refuse(Connection *connection, Error *take_error)
{
	refusals_note(&connection->server->refusals, connection->peer, take_error);
	connection_free(connection);
}

static void on_ended(void *arg, Error *take_error)
{
	Connection *connection = arg;

	if (take_error && !connection->is_let_in) {
		refuse(connection, take_error);
		return;
	}
	if (take_error)
		log_debug("%s: %s", connection->peer, error_message(take_error));
	error_free(take_error);
	connection_free(connection);
}

static const struct sockaddr_un own_address = {.sun_family = AF_UNIX, .sun_path = "/" TLS_SOCKET_NAME},
				guests_address = {.sun_family = AF_UNIX, .sun_path = "/" TLS_GUESTS_SOCKET_NAME};

/* A kedged that is being restarted or upgraded is waited for, as it is on its own socket. */
static fallible reach_kedged(int *ret_fd, bool is_guest)
{
	const struct sockaddr_un address = is_guest ? guests_address : own_address;
	autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(errno, "could not reach kedged");
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible join(Connection *connection)
{
	int fd = -1;

	TRY(reach_kedged(&fd, connection->is_guest));
	connection->timer = source_free(connection->timer);
	return relay_join(connection->relay, fd);
}

static void try_to_join(void *arg)
{
	Connection *connection = arg;
	Error *error = join(connection);

	if (error && connection->timer && clock_monotonic_ns() < connection->join_until_ns) {
		error_free(error); /* another try follows */
		source_rearm(connection->timer, JOIN_INTERVAL);
	} else if (error) {
		refuse(connection, error);
	}
}

static void on_ready(void *arg)
{
	Connection *connection = arg;
	TlsServer *server = connection->server;

	if (server->connection_count >= server->connections_max) {
		refuse(connection,
			error_new(ERROR_UNAVAILABLE, "there are %zu connections already", server->connection_count));
		return;
	}
	connection->is_guest = !context_peer_has_certificate(relay_ssl(connection->relay));
	if (connection->is_guest && server->guest_count >= (server->connections_max + 1) / 2) {
		refuse(connection,
			error_new(ERROR_UNAVAILABLE, "there are %zu connections without a certificate already",
				server->guest_count));
		return;
	}
	list_remove(&connection->link);
	list_append(&server->connections, &connection->link);
	connection->is_let_in = true;
	server->guest_count += connection->is_guest;
	server->handshake_count--;
	server->connection_count++;
	connection->join_until_ns = clock_monotonic_ns() + JOIN_LIMIT;
	source_rearm(connection->timer, -1);
	try_to_join(connection);
}

/* The handshake's, and afterwards that of the tries. */
static void timer_fired(void *arg)
{
	Connection *connection = arg;

	if (connection->is_let_in)
		try_to_join(connection);
	else
		refuse(connection, error_new(ERROR_TIMEOUT, "the handshake took too long"));
}

/* ---- accepting ---- */

static void drop_oldest(TlsServer *server)
{
	if (server->handshake_count < HANDSHAKES_MAX)
		return;
	list_each(&server->handshakes, Connection, link, oldest) {
		refuse(oldest, error_new(ERROR_UNAVAILABLE, "%d handshakes are going on already", HANDSHAKES_MAX));
		return;
	}
}

static fallible start_handshake(Connection *connection, int take_socket)
{
	static const RelayHandlers handlers = {.ready = on_ready, .ended = on_ended};
	TlsServer *server = connection->server;
	autofd fd = take_socket;
	SSL *ssl = NULL;

	if (!server->context)
		return error_new(ERROR_UNAVAILABLE, "there is no certificate that can be used");
	TRY(context_connection(&ssl, server->context, fd, NULL));
	take_fd(&fd);
	TRY(relay_new(&connection->relay, server->loop, ssl, &handlers, connection));
	return loop_timer(&connection->timer, server->loop, HANDSHAKE_LIMIT, timer_fired, connection);
}

static void begin(TlsServer *server, int take_socket, const TcpAddress *peer)
{
	Connection *connection = mem_new(Connection);
	Error *error;

	drop_oldest(server);
	connection->server = server;
	tcp_address_text(connection->peer, peer);
	list_append(&server->handshakes, &connection->link);
	server->handshake_count++;
	tcp_address_prepare(take_socket);
	error = start_handshake(connection, take_socket);
	if (error)
		refuse(connection, error);
}

static bool accept_one(TlsServer *server, int listener)
{
	TcpAddress peer = {.length = sizeof(peer.storage)};
	int fd = accept4(listener, (struct sockaddr *)&peer.storage, &peer.length, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	begin(server, fd, &peer);
	return true;
}

static void set_accepting(TlsServer *server, bool accepts)
{
	for (size_t i = 0; i < server->listener_count; i++)
		source_set_events(server->listeners[i].source, accepts ? LOOP_READ : 0);
}

/* ---- is there anything new? ---- */

static void go_on(TlsServer *server)
{
	server->ask_limit = source_free(server->ask_limit);
	set_accepting(server, true);
}

/* Who waits is accepted with what is there, before kedged is asked again. */
static void ask_limit_fired(void *arg)
{
	TlsServer *server = arg;

	server->asked_ns = clock_monotonic_ns();
	go_on(server);
}

/* At most once a second, and before the first client is accepted: nothing has to be watched meanwhile. */
static bool has_to_wait(TlsServer *server)
{
	int64_t now = clock_monotonic_ns();
	Error *error;

	if (server->ask_limit)
		return true;
	if (server->control < 0 || now - server->asked_ns < ASK_INTERVAL)
		return false;
	server->asked_ns = now;
	error = talk_send(server->control, TALK_ASK, NULL, 0);
	if (!error)
		error = loop_timer(&server->ask_limit, server->loop, ASK_LIMIT, ask_limit_fired, server);
	if (error) {
		error_free(error); /* kedged is busy, or gone: what is there is good enough */
		return false;
	}
	set_accepting(server, false);
	return true;
}

/* The machine has no descriptor or no memory left: asking again at once would keep it busy besides. */
static void wait_for_room(TlsServer *server)
{
	Error *error = loop_timer(&server->ask_limit, server->loop, ASK_LIMIT, ask_limit_fired, server);

	if (error)
		error_free(error); /* then it is asked again at once */
	else
		set_accepting(server, false);
}

static void on_client(void *arg, int fd, unsigned events)
{
	const Listener *listener = arg;
	TlsServer *server = listener->server;

	(void)events;
	if (has_to_wait(server))
		return;
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		if (accept_one(server, fd))
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			wait_for_room(server);
		return;
	}
}

/* ---- certificates ---- */

static const char *const pem_names[PEM_COUNT] = {
	[PEM_CA] = "tcp.ca", [PEM_CERT] = "tcp.cert", [PEM_KEY] = "tcp.key", [PEM_CRL] = "tcp.crl"};

static fallible read_certificates(Pem pems[PEM_COUNT], const int *fds, size_t count)
{
	if (count < PEM_CRL || count > PEM_COUNT)
		return error_new(ERROR_INTERNAL, "there are %zu files", count);
	for (size_t i = 0; i < count; i++) {
		pems[i].name = pem_names[i];
		TRY(file_read_fd(&pems[i].text, &pems[i].length, fds[i], pem_names[i], PEM_MAX));
	}
	return NULL;
}

static fallible renew(TlsServer *server, const int *fds, size_t count)
{
	autoptr(TlsContext) context = NULL;
	Pem pems[PEM_COUNT] = {0};
	Error *error = read_certificates(pems, fds, count);

	if (!error)
		error = context_new_server(&context, pems, server->has_guests);
	pems_clear(pems);
	if (error)
		return error;
	context_free(server->context);
	server->context = take(context);
	return NULL;
}

static void take_certificates(TlsServer *server, const int *fds, size_t count)
{
	bool had_some = server->context;
	Error *error = renew(server, fds, count);

	if (!error)
		log_info("TLS certificates were read");
	else if (had_some)
		error_log(error, "the new TLS certificates are not used, the old ones stay");
	else
		error_log(error, "nobody can connect by TLS");
}

/* ---- kedged ---- */

static void retire(TlsServer *server)
{
	server->is_retired = true;
	for (size_t i = 0; i < server->listener_count; i++) {
		source_free(server->listeners[i].source);
		close(server->listeners[i].fd);
	}
	server->listener_count = 0;
	server->ask_limit = source_free(server->ask_limit);
	server->takeover_source = source_free(server->takeover_source);
	close_fd(&server->takeover);
	server->alone = source_free(server->alone);
	end_if_idle(server);
}

static void alone_fired(void *arg)
{
	log_warning("there has been no kedged for %d seconds: nobody is let in any more",
		(int)(ALONE_LIMIT / NANOS_PER_SECOND));
	retire(arg);
}

static void lose_kedged(TlsServer *server)
{
	Error *error = NULL;

	server->control_source = source_free(server->control_source);
	close_fd(&server->control);
	if (server->is_retired)
		return;
	go_on(server);
	error = loop_timer(&server->alone, server->loop, ALONE_LIMIT, alone_fired, server);
	if (error) {
		error_log(error, "cannot wait for the next kedged");
		retire(server);
	}
}

static void on_control(void *arg, int fd, unsigned events)
{
	TlsServer *server = arg;
	int fds[TALK_FDS_MAX];
	size_t count = 0;
	TalkType type = talk_receive(fd, fds, &count);

	(void)events;
	if (type == TALK_CERTIFICATES)
		take_certificates(server, fds, count);
	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
	if (type == TALK_CERTIFICATES || type == TALK_GO)
		go_on(server);
	else if (type == TALK_RETIRE)
		retire(server);
	else if (type == TALK_END)
		lose_kedged(server);
}

static void on_takeover(void *arg, int fd, unsigned events)
{
	TlsServer *server = arg;
	autofd peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	int fds[TALK_FDS_MAX];
	Error *error;

	(void)events;
	if (peer < 0)
		return;
	for (size_t i = 0; i < server->listener_count; i++)
		fds[i] = server->listeners[i].fd;
	error = talk_send(peer, TALK_LISTENERS, fds, server->listener_count);
	if (error)
		error_log(error, "the next kedged has not got the listening sockets");
	else
		retire(server);
}

/* The memory of a busy second is not that of an idle device. */
static void rest(void *arg)
{
	(void)arg;
	mem_trim();
}

/* ---- life ---- */

static fallible add_listener(TlsServer *server, int fd)
{
	Listener *listener = &server->listeners[server->listener_count];

	*listener = (Listener){.server = server, .fd = fd};
	TRY(loop_watch(&listener->source, server->loop, fd, 0, on_client, listener)); /* until certificates come */
	server->listener_count++;
	return NULL;
}

fallible tls_server_new(TlsServer **ret, Loop *loop, const TlsServerOptions *options)
{
	autoptr(TlsServer) server = mem_new(TlsServer);

	server->loop = loop;
	server->control = options->control;
	server->takeover = options->takeover;
	server->connections_max = options->connections_max;
	server->has_guests = options->has_guests;
	server->asked_ns = -ASK_INTERVAL;
	list_init(&server->handshakes);
	list_init(&server->connections);
	for (size_t i = 0; i < options->listener_count; i++)
		TRY(add_listener(server, options->listeners[i]));
	TRY(loop_watch(&server->control_source, loop, server->control, LOOP_READ, on_control, server));
	TRY(loop_watch(&server->takeover_source, loop, server->takeover, LOOP_READ, on_takeover, server));
	TRY(loop_after_work(&server->resting, loop, REST_DELAY, rest, server));
	*ret = take(server);
	return NULL;
}

static void free_all(List *connections)
{
	list_each(connections, Connection, link, connection)
		connection_free(connection);
}

TlsServer *tls_server_free(TlsServer *server)
{
	if (!server)
		return NULL;
	free_all(&server->handshakes);
	free_all(&server->connections);
	for (size_t i = 0; i < server->listener_count; i++) {
		source_free(server->listeners[i].source);
		close(server->listeners[i].fd);
	}
	source_free(server->control_source);
	source_free(server->takeover_source);
	source_free(server->ask_limit);
	source_free(server->alone);
	source_free(server->resting);
	close_fd(&server->control);
	close_fd(&server->takeover);
	context_free(server->context);
	free(server);
	return NULL;
}
