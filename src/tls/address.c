// SPDX-License-Identifier: Apache-2.0
#include "tls/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

enum { BACKLOG = 1024, KEEPALIVE_IDLE_S = 30, KEEPALIVE_INTERVAL_S = 10, KEEPALIVE_COUNT = 3 };

/* ---- text ---- */

static bool read_host(TcpAddress *ret, const char *host, size_t length, uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&ret->storage;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->storage;
	bool is_bracketed = length > 2 && *host == '[' && host[length - 1] == ']';
	char text[INET6_ADDRSTRLEN] = "";

	*ret = (TcpAddress){0};
	if (is_bracketed) {
		host++;
		length -= 2;
	}
	if (length >= sizeof(text))
		return false;
	memcpy(text, host, length);
	if (is_bracketed) {
		*six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		ret->length = sizeof(*six);
		return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
	}
	*four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	ret->length = sizeof(*four);
	return inet_pton(AF_INET, text, &four->sin_addr) == 1;
}

fallible tcp_address_parse(TcpAddress *ret, const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port = 0;

	if (!colon)
		return error_new(ERROR_INVALID, "\"%s\" is not of the form ADDRESS:PORT", text);
	TRY_WRAP(string_to_int64(&port, colon + 1, 1, UINT16_MAX), "port of \"%s\"", text);
	if (!read_host(ret, text, (size_t)(colon - text), (uint16_t)port))
		return error_hint(error_new(ERROR_INVALID, "\"%s\" has no address before its port", text),
			"write 127.0.0.1:2376, [::1]:2376, or 0.0.0.0:2376 for all");
	return NULL;
}

void tcp_address_text(char ret[TCP_ADDRESS_TEXT_MAX], const TcpAddress *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
	char host[INET6_ADDRSTRLEN] = "";

	if (address->storage.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		snprintf(ret, TCP_ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(six->sin6_port));
	} else {
		inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
		snprintf(ret, TCP_ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(four->sin_port));
	}
}

bool tcp_address_equal(const TcpAddress *a, const TcpAddress *b)
{
	char first[TCP_ADDRESS_TEXT_MAX], second[TCP_ADDRESS_TEXT_MAX];

	tcp_address_text(first, a);
	tcp_address_text(second, b);
	return string_equal(first, second);
}

/* ---- sockets ---- */

/* It works without, less well; bind(2) tells what matters. */
static void set_option(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

void tcp_address_prepare(int fd)
{
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void prepare(int fd, int family)
{
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6) {
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	} else {
		set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
	}
}

fallible tcp_address_listen(int *ret_fd, const TcpAddress *address)
{
	char text[TCP_ADDRESS_TEXT_MAX];
	autofd fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	tcp_address_text(text, address);
	if (fd < 0)
		return error_errno(errno, "could not make a socket for %s", text);
	prepare(fd, address->storage.ss_family);
	if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(errno, "could not listen at %s", text);
	*ret_fd = take_fd(&fd);
	return NULL;
}

bool tcp_address_of_listener(TcpAddress *ret, int fd)
{
	socklen_t length = sizeof(int);
	int listens = 0;

	*ret = (TcpAddress){.length = sizeof(ret->storage)};
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 || !listens)
		return false;
	return getsockname(fd, (struct sockaddr *)&ret->storage, &ret->length) == 0;
}
