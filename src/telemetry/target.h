// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where a container's log is to be sent, and as whose: what kedged says of it. Options are Docker's, by their names,
 * and were checked by log_options_check(); attributes are the labels and variables that the options ask for.
 */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/packet.h"
#include "base/strings.h"

#define LOG_JOURNAL_SOCKET "journal-socket" /* an option that kedged adds */

typedef struct LogTarget {
	char *driver;
	char *id;   /* 64 hex */
	char *name; /* without slash */
	char *tag;  /* its template is filled in */
	char *host; /* the machine's name */
	char *image_id, *image_name, *command, *created;
	char *files; /* "ca,cert,key": descriptors that came with it */
	StringMap options, attributes;
	int tls[3]; /* CA, certificate, key; -1: none */
} LogTarget;

void log_target_write(Buffer *packet, const LogTarget *target); /* behind the container's id */
void log_target_read(LogTarget *ret, Packet *packet);
bool log_target_equal(const LogTarget *a, const LogTarget *b); /* descriptors aside */
void log_target_clear(LogTarget *target);
DEFINE_AUTOCLEAR(LogTarget, log_target_clear)

const char *log_target_option(const LogTarget *target, const char *name); /* NULL: not given */
bool log_target_flag(const LogTarget *target, const char *name);
