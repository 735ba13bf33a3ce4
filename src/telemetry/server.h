// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedge-log: what kedged told it (telemetry/protocol.h), and the logs that it sends. It goes on when kedged dies; it
 * ends when there is neither a kedged nor a log to be sent.
 */
#include "base/attendant.h"

typedef struct LogServer LogServer;

typedef struct LogServerOptions {
	AttendantSockets sockets; /* taken */
	int notifier;             /* inotify's; taken */
} LogServerOptions;

fallible log_server_new(LogServer **ret, Loop *loop, const LogServerOptions *options);
LogServer *log_server_free(LogServer *server);
DEFINE_AUTOPTR(LogServer, log_server_free)
