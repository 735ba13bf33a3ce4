// SPDX-License-Identifier: Apache-2.0
#include "telemetry/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "base/strings.h"

enum { HOST_MAX = 253 };

static const char *const schemes[LOG_TRANSPORTS] = {
	[LOG_UDP] = "udp",
	[LOG_TCP] = "tcp",
	[LOG_TLS] = "tcp+tls",
	[LOG_UNIX] = "unix",
	[LOG_UNIXGRAM] = "unixgram",
};

const LogAddressRule log_address_syslog = {
	1 << LOG_UDP | 1 << LOG_TCP | 1 << LOG_TLS | 1 << LOG_UNIX | 1 << LOG_UNIXGRAM, LOG_TRANSPORTS, "514"};
const LogAddressRule log_address_gelf = {1 << LOG_UDP | 1 << LOG_TCP, LOG_TRANSPORTS, NULL};
const LogAddressRule log_address_fluentd = {1 << LOG_TCP | 1 << LOG_UNIX, LOG_TCP, "24224"};

static fallible read_path(LogAddress *ret, const char *text)
{
	struct sockaddr_un address;

	if (text[0] != '/' || strlen(text) >= sizeof(address.sun_path))
		return error_new(ERROR_INVALID, "\"%s\" is not an absolute path that fits an address", text);
	ret->path = mem_strdup(text);
	return NULL;
}

/* "host", "host:port", "[::1]", "[::1]:port" */
static fallible read_host(LogAddress *ret, const char *text, const char *port)
{
	bool has_brackets = text[0] == '[';
	size_t length = has_brackets ? strcspn(++text, "]") : strcspn(text, ":/");
	const char *rest = text + length;
	int64_t number;

	if (has_brackets && *rest++ != ']')
		return error_new(ERROR_INVALID, "\"[\" without \"]\"");
	if (!length || length > HOST_MAX)
		return error_new(ERROR_INVALID, "the host is missing or too long");
	if (*rest == ':')
		port = ++rest;
	else if (*rest)
		return error_new(ERROR_INVALID, "\"%s\" is not expected behind the host", rest);
	if (!port)
		return error_new(ERROR_INVALID, "the port is missing");
	TRY_WRAP(string_to_int64(&number, port, 1, 65535), "port \"%s\"", port);
	ret->host = mem_strndup(text, length);
	ret->port = mem_strdup(port);
	return NULL;
}

static fallible read_address(LogAddress *ret, const char *text, const LogAddressRule *rule)
{
	const char *separator = strstr(text, "://");
	autofree char *scheme = separator ? mem_strndup(text, (size_t)(separator - text)) : NULL;
	int transport = scheme ? names_find(schemes, LOG_TRANSPORTS, scheme) : (int)rule->otherwise;

	if (transport < 0 || transport >= LOG_TRANSPORTS)
		return error_new(ERROR_INVALID, "it should begin with a transport, as udp://host:port");
	if (!(rule->allowed >> transport & 1))
		return error_new(ERROR_INVALID, "transport \"%s\" is not one of this driver", schemes[transport]);
	ret->transport = (LogTransport)transport;
	text = separator ? separator + 3 : text;
	if (transport == LOG_UNIX || transport == LOG_UNIXGRAM)
		return read_path(ret, text);
	return read_host(ret, text, rule->port);
}

fallible log_address_parse(LogAddress *ret, const char *text, const LogAddressRule *rule)
{
	*ret = (LogAddress){0};
	TRY_WRAP(read_address(ret, text, rule), "address \"%s\"", text);
	return NULL;
}

void log_address_clear(LogAddress *address)
{
	free(address->path);
	free(address->host);
	free(address->port);
	*address = (LogAddress){0};
}

bool log_address_is_datagrams(const LogAddress *address)
{
	return address->transport == LOG_UDP || address->transport == LOG_UNIXGRAM;
}

bool log_address_is_local(const LogAddress *address)
{
	return address->transport == LOG_UNIX || address->transport == LOG_UNIXGRAM;
}
