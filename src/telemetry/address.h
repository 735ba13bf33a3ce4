// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where a log driver sends to: "udp://host:514", "tcp+tls://[::1]:6514", "unixgram:///run/log", "host" (fluentd). */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef enum LogTransport {
	LOG_UDP,
	LOG_TCP,
	LOG_TLS,
	LOG_UNIX,     /* a stream */
	LOG_UNIXGRAM, /* datagrams */
	LOG_TRANSPORTS,
} LogTransport;

typedef struct LogAddress {
	LogTransport transport;
	char *path;        /* of a socket */
	char *host, *port; /* of the others; the host without brackets */
} LogAddress;

/* allowed: transports that the driver has, as bits 1 << LOG_...; otherwise: of an address without "://",
 * LOG_TRANSPORTS: it must have one. A port that is not given is `port`, NULL: it must be. */
typedef struct LogAddressRule {
	unsigned allowed;
	LogTransport otherwise;
	const char *port;
} LogAddressRule;

extern const LogAddressRule log_address_syslog, log_address_gelf, log_address_fluentd;

fallible log_address_parse(LogAddress *ret, const char *text, const LogAddressRule *rule);
void log_address_clear(LogAddress *address);
DEFINE_AUTOCLEAR(LogAddress, log_address_clear)
bool log_address_is_datagrams(const LogAddress *address);
bool log_address_is_local(const LogAddress *address); /* a socket with a path */
