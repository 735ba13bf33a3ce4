// SPDX-License-Identifier: Apache-2.0
#include "external/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "base/strings.h"

enum { SHOWN_MAX = 300 };

static fallible parse_unix(ExternalAddress *ret, const char *path)
{
	struct sockaddr_un *to = (struct sockaddr_un *)&ret->socket;

	if (strlen(path) >= sizeof(to->sun_path))
		return error_new(
			ERROR_INVALID, "\"%.*s\" is longer than %zu bytes", SHOWN_MAX, path, sizeof(to->sun_path) - 1);
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, path, strlen(path) + 1);
	ret->length = sizeof(*to);
	return NULL;
}

static bool is_loopback4(const struct in_addr *address)
{
	return ntohl(address->s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool parse_number(ExternalAddress *ret, const char *host, in_port_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&ret->socket;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->socket;

	if (inet_pton(AF_INET, host, &four->sin_addr) == 1 && is_loopback4(&four->sin_addr)) {
		four->sin_family = AF_INET;
		four->sin_port = port;
		ret->length = sizeof(*four);
		return true;
	}
	if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr)) {
		six->sin6_family = AF_INET6;
		six->sin6_port = port;
		ret->length = sizeof(*six);
		return true;
	}
	return false;
}

/* "127.0.0.1" of "127.0.0.1:2375", "::1" of "[::1]:2375". */
static char *host_of(const char *authority, const char *colon)
{
	size_t length = (size_t)(colon - authority);

	if (*authority == '[' && length > 2 && colon[-1] == ']')
		return mem_strndup(authority + 1, length - 2);
	return mem_strndup(authority, length);
}

static fallible parse_tcp(ExternalAddress *ret, const char *authority)
{
	const char *colon = strrchr(authority, ':');
	int64_t port = 0;

	if (!colon)
		return error_new(ERROR_INVALID, "\"tcp://%.*s\" has no port", SHOWN_MAX, authority);
	autofree char *host = host_of(authority, colon);
	TRY_WRAP(string_to_int64(&port, colon + 1, 1, 65535), "the port of \"tcp://%.*s\"", SHOWN_MAX, authority);
	if (parse_number(ret, host, htons((in_port_t)port)))
		return NULL;
	return error_hint(error_new(ERROR_INVALID, "\"tcp://%.*s\" is not on this device", SHOWN_MAX, authority),
		"the address is one of the loopback interface, as a number: 127.0.0.1 or [::1]");
}

fallible external_address_parse(ExternalAddress *ret, const char *url)
{
	ExternalAddress address = {0};

	if (string_starts(url, "unix:///"))
		TRY(parse_unix(&address, url + strlen("unix://")));
	else if (string_starts(url, "tcp://"))
		TRY(parse_tcp(&address, url + strlen("tcp://")));
	else
		return error_new(
			ERROR_INVALID, "\"%.*s\" is neither unix:///PATH nor tcp://ADDRESS:PORT", SHOWN_MAX, url);
	*ret = address;
	return NULL;
}

const char *external_address_path(const ExternalAddress *address)
{
	return address->socket.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&address->socket)->sun_path : NULL;
}
