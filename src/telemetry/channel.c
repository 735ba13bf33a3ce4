// SPDX-License-Identifier: Apache-2.0
#include "telemetry/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "telemetry/lookup.h"
#include "tls/context.h"

#define LOOK_AGAIN (20 * NANOS_PER_MILLI)
#define CONNECT_LIMIT (10 * NANOS_PER_SECOND)
#define NEXT_LIMIT (3 * NANOS_PER_SECOND) /* while there is another address to be tried */

enum { SEND_BUFFER = 1 << 20, KEEP_IDLE_S = 30, KEEP_EVERY_S = 10, KEEP_COUNT = 3 };

typedef enum ChannelState { LOOKING_UP, CONNECTING, SHAKING_HANDS, READY, LOST } ChannelState;

struct Channel {
	Loop *loop;
	LoopHandler *event;
	void *arg;
	LogTransport transport; /* LOG_UNIX and LOG_UNIXGRAM as the receiver has it */
	char *path, *host;
	ino_t inode; /* of the path */
	bool skips_verify;
	ChannelState state;
	Lookup *lookup;
	const struct addrinfo *next; /* the lookup's; tried when the one before has failed */
	TlsContext *context;
	SSL *ssl;
	int fd;
	Source *source, *timer;
	bool wants_write, was_reset;
	char *problem;
};

/* ---- the end ---- */

static ChannelResult lose(Channel *channel, Error *take_error)
{
	if (channel->state != LOST)
		channel->problem = mem_strdup(error_message(take_error));
	error_free(take_error); /* kept as text */
	channel->state = LOST;
	channel->source = source_free(channel->source);
	return CHANNEL_LOST;
}

static ChannelResult lose_errno(Channel *channel, int number, const char *what)
{
	channel->was_reset = number == ECONNRESET || number == EPIPE || number == ETIMEDOUT;
	return lose(channel, error_errno(number, "%s", what));
}

static bool is_datagrams(const Channel *channel)
{
	return channel->transport == LOG_UDP || channel->transport == LOG_UNIXGRAM;
}

/* ---- connecting ---- */

static void on_event(void *arg, int fd, unsigned events)
{
	Channel *channel = arg;

	(void)fd, (void)events;
	channel->event(channel->arg);
}

static void watch(Channel *channel)
{
	bool writes = channel->wants_write || channel->state == CONNECTING;

	if (channel->source)
		source_set_events(channel->source, writes ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

void channel_want_write(Channel *channel, bool wants)
{
	channel->wants_write = wants;
	watch(channel);
}

static void set_up(int fd, bool is_tcp)
{
	int on = 1, idle = KEEP_IDLE_S, every = KEEP_EVERY_S, count = KEEP_COUNT, size = SEND_BUFFER;

	/* Without any of it, it works as well. */
	(void)setsockopt(fd, SOL_SOCKET, is_tcp ? SO_KEEPALIVE : SO_SNDBUF, is_tcp ? &on : &size, sizeof(on));
	if (!is_tcp)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static fallible adopt(Channel *channel, int *take_socket, ChannelState state)
{
	channel->source = source_free(channel->source);
	close_fd(&channel->fd);
	channel->fd = take_fd(take_socket);
	channel->state = state;
	TRY(loop_watch(&channel->source, channel->loop, channel->fd, LOOP_READ, on_event, channel));
	watch(channel);
	return NULL;
}

/* A receiver that has the other kind of socket there is spoken to as it likes. */
static fallible connect_path(Channel *channel)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status = {0};

	strcpy(address.sun_path, channel->path);
	for (int attempt = 0; attempt < 2; attempt++) {
		int type = channel->transport == LOG_UNIX ? SOCK_STREAM : SOCK_DGRAM;
		autofd fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			return error_errno(errno, "could not make a socket");
		set_up(fd, false);
		if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
			channel->inode = stat(channel->path, &status) < 0 ? 0 : status.st_ino;
			return adopt(channel, &fd, READY);
		}
		if (errno != EPROTOTYPE)
			break;
		channel->transport = type == SOCK_STREAM ? LOG_UNIXGRAM : LOG_UNIX;
	}
	return error_errno(errno, "could not connect to \"%s\"", channel->path);
}

static fallible connect_to(Channel *channel, const struct addrinfo *address)
{
	int type = channel->transport == LOG_UDP ? SOCK_DGRAM : SOCK_STREAM;
	autofd fd = socket(address->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	set_up(fd, type == SOCK_STREAM);
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return adopt(channel, &fd, channel->transport == LOG_TLS ? SHAKING_HANDS : READY);
	if (errno != EINPROGRESS)
		return error_errno(errno, "could not connect to \"%s\"", channel->host);
	source_rearm(channel->timer, channel->next ? NEXT_LIMIT : CONNECT_LIMIT);
	return adopt(channel, &fd, CONNECTING);
}

static ChannelResult try_addresses(Channel *channel, Error *take_last)
{
	while (channel->next) {
		const struct addrinfo *address = channel->next;
		channel->next = address->ai_next;
		error_free(take_last); /* another address is there to be tried */
		take_last = connect_to(channel, address);
		if (!take_last)
			return CHANNEL_LATER;
	}
	return lose(
		channel, take_last ? take_last : error_new(ERROR_UNAVAILABLE, "\"%s\" has no address", channel->host));
}

static ChannelResult look_up(Channel *channel)
{
	if (!lookup_is_done(channel->lookup)) {
		source_rearm(channel->timer, LOOK_AGAIN);
		return CHANNEL_LATER;
	}
	Error *error = lookup_result(&channel->next, channel->lookup);
	source_rearm(channel->timer, CONNECT_LIMIT);
	return error ? lose(channel, error) : try_addresses(channel, NULL);
}

static ChannelResult finish_connect(Channel *channel)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer), size = sizeof(int);
	int problem = 0;

	if (getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0)
		problem = errno;
	if (!problem && getpeername(channel->fd, (struct sockaddr *)&peer, &length) < 0)
		return CHANNEL_LATER;
	if (problem)
		return try_addresses(channel, error_errno(problem, "could not connect to \"%s\"", channel->host));
	channel->state = channel->transport == LOG_TLS ? SHAKING_HANDS : READY;
	source_rearm(channel->timer, CONNECT_LIMIT);
	watch(channel);
	return CHANNEL_LATER;
}

/* ---- TLS ---- */

static fallible read_pem(Pem *ret, int fd, const char *name)
{
	ret->name = name;
	if (fd < 0)
		return NULL;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(errno, "\"%s\"", name);
	return file_read_fd(&ret->text, &ret->length, fd, name, PEM_MAX);
}

static fallible read_pems(Channel *channel, const int *tls)
{
	static const char *const names[] = {"syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key"};
	Pem pems[PEM_COUNT] = {0};
	Error *error = NULL;

	for (size_t i = 0; i < COUNT(names) && !error; i++)
		error = read_pem(&pems[i], tls[i], names[i]);
	if (!error)
		error = context_new_client(&channel->context, pems);
	pems_clear(pems);
	return error;
}

static ChannelResult tls_result(Channel *channel, int returned, const char *what)
{
	int reason = SSL_get_error(channel->ssl, returned), number = errno;

	channel->wants_write = reason == SSL_ERROR_WANT_WRITE;
	watch(channel);
	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
		return CHANNEL_LATER;
	if (reason == SSL_ERROR_SYSCALL && number && !ERR_peek_last_error())
		return lose_errno(channel, number, what);
	return lose(channel, tls_error(channel->ssl, what));
}

static ChannelResult shake_hands(Channel *channel)
{
	Error *error =
		channel->ssl ? NULL : context_connection(&channel->ssl, channel->context, channel->fd, channel->host);

	if (error)
		return lose(channel, error);
	if (channel->skips_verify)
		SSL_set_verify(channel->ssl, SSL_VERIFY_NONE, NULL);
	errno = 0;
	int returned = SSL_do_handshake(channel->ssl);
	if (returned != 1)
		return tls_result(channel, returned, "could not begin TLS");
	channel->state = READY;
	return CHANNEL_DONE;
}

ChannelResult channel_ready(Channel *channel)
{
	if (channel->state == LOOKING_UP)
		(void)look_up(channel);
	if (channel->state == CONNECTING)
		(void)finish_connect(channel);
	if (channel->state == SHAKING_HANDS)
		(void)shake_hands(channel);
	if (channel->state == LOST)
		return CHANNEL_LOST;
	return channel->state == READY ? CHANNEL_DONE : CHANNEL_LATER;
}

/* ---- life ---- */

/* The lookup may be done, or what is being made takes too long. */
static void on_timer(void *arg)
{
	Channel *channel = arg;

	if (channel->state == READY || channel->state == LOST)
		return;
	Error *error = error_new(ERROR_TIMEOUT, "could not connect to \"%s\" in time", channel->host);
	if (channel->state == CONNECTING)
		(void)try_addresses(channel, error);
	else if (channel->state == SHAKING_HANDS)
		(void)lose(channel, error);
	else
		error_free(error); /* the lookup has its own */
	channel->event(channel->arg);
}

static fallible begin(Channel *channel, const ChannelOptions *options)
{
	const LogAddress *address = options->address;

	TRY(loop_timer(&channel->timer, channel->loop, -1, on_timer, channel));
	if (channel->path)
		return connect_path(channel);
	if (address->transport == LOG_TLS)
		TRY(read_pems(channel, options->tls));
	TRY(lookup_start(&channel->lookup, address->host, address->port,
		address->transport == LOG_UDP ? SOCK_DGRAM : SOCK_STREAM));
	source_rearm(channel->timer, 0);
	return NULL;
}

fallible channel_open(Channel **ret, Loop *loop, const ChannelOptions *options, LoopHandler *event, void *arg)
{
	autoptr(Channel) channel = mem_new(Channel);

	channel->loop = loop;
	channel->event = event;
	channel->arg = arg;
	channel->transport = options->address->transport;
	channel->path = mem_strdup(options->address->path);
	channel->host = mem_strdup(options->address->host);
	channel->skips_verify = options->skips_verify;
	channel->fd = -1;
	TRY(begin(channel, options));
	*ret = take(channel);
	return NULL;
}

Channel *channel_free(Channel *channel)
{
	if (!channel)
		return NULL;
	source_free(channel->source);
	source_free(channel->timer);
	lookup_free(channel->lookup);
	SSL_free(channel->ssl);
	context_free(channel->context);
	close_fd(&channel->fd);
	free(channel->path);
	free(channel->host);
	free(channel->problem);
	free(channel);
	return NULL;
}

/* ---- sending, receiving ---- */

static ChannelResult send_tls(Channel *channel, const void *data, size_t length, size_t *ret_sent)
{
	errno = 0;
	if (SSL_write_ex(channel->ssl, data, length, ret_sent) == 1)
		return CHANNEL_DONE;
	*ret_sent = 0;
	return tls_result(channel, 0, "could not send");
}

ChannelResult channel_send(Channel *channel, const void *data, size_t length, size_t *ret_sent)
{
	*ret_sent = 0;
	if (channel->state == LOST)
		return CHANNEL_LOST;
	if (channel->ssl)
		return send_tls(channel, data, length, ret_sent);
	ssize_t sent = send(channel->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent >= 0) {
		*ret_sent = (size_t)sent;
		return CHANNEL_DONE;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return CHANNEL_LATER;
	if (errno == EMSGSIZE && is_datagrams(channel))
		return CHANNEL_TOO_LARGE;
	return lose_errno(channel, errno, "could not send");
}

static ChannelResult receive_tls(Channel *channel, void *data, size_t size, size_t *ret_length)
{
	errno = 0;
	if (SSL_read_ex(channel->ssl, data, size, ret_length) == 1)
		return CHANNEL_DONE;
	*ret_length = 0;
	return tls_result(channel, 0, "the receiver has closed the connection");
}

ChannelResult channel_receive(Channel *channel, void *data, size_t size, size_t *ret_length)
{
	*ret_length = 0;
	if (channel->state == LOST)
		return CHANNEL_LOST;
	if (channel->ssl)
		return receive_tls(channel, data, size, ret_length);
	ssize_t count = recv(channel->fd, data, size, MSG_DONTWAIT);
	if (count > 0 || (count == 0 && is_datagrams(channel))) {
		*ret_length = (size_t)count;
		return CHANNEL_DONE;
	}
	if (count == 0)
		return lose(channel, error_new(ERROR_UNAVAILABLE, "the receiver has closed the connection"));
	if (errno == EAGAIN || errno == EINTR)
		return CHANNEL_LATER;
	return lose_errno(channel, errno, "the connection to the receiver is lost");
}

/* ---- what has arrived ---- */

/* Of a socket with a path: somebody else may have bound it anew, and what the one before had not read is gone. */
bool channel_is_alive(Channel *channel)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;

	if (channel->state != READY || channel->transport != LOG_UNIXGRAM)
		return channel->state == READY;
	autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	strcpy(address.sun_path, channel->path);
	if (stat(channel->path, &status) == 0 && status.st_ino == channel->inode && fd >= 0 &&
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	(void)lose(channel, error_new(ERROR_UNAVAILABLE, "nobody listens at \"%s\" any more", channel->path));
	return false;
}

bool channel_is_datagrams(const Channel *channel)
{
	return is_datagrams(channel);
}

int64_t channel_unread(const Channel *channel)
{
	int count = 0;

	if (channel->transport == LOG_UDP || channel->fd < 0 || ioctl(channel->fd, SIOCOUTQ, &count) < 0)
		return 0;
	return count;
}

bool channel_was_reset(const Channel *channel)
{
	return channel->was_reset;
}

const char *channel_problem(const Channel *channel)
{
	return channel->problem ? channel->problem : "";
}
