// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Parts of a container that users write in one word: on a command line, in a declaration, in a compose file. Errors
 * name the word; what asked for it is the caller's to say. Source: Docker's go-connections, nat.ParsePortSpec(), and
 * docker/cli opts/.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/strings.h"

/* "[[HOST:]HOSTPORT[-HOSTPORT]:]PORT[-PORT][/PROTOCOL]", an IPv6 address in brackets. */
typedef struct PortWord {
	char *host;                    /* without brackets; "": every address */
	int64_t host_first, host_last; /* both -1: any port that is free */
	int64_t first, last;           /* as many as those of the host, or one of a range of the host's */
	const char *protocol;          /* "tcp", "udp", "sctp" */
} PortWord;

fallible port_word_parse(PortWord *ret, const char *text);
fallible port_word_parse_inside(PortWord *ret, const char *text); /* "PORT[-PORT][/PROTOCOL]" alone */
void port_word_clear(PortWord *word);
DEFINE_AUTOCLEAR(PortWord, port_word_clear)

/* "/dev/a", "/dev/a:/dev/b", "/dev/a:rw", "/dev/a:/dev/b:rw" */
typedef struct DeviceWord {
	char *path, *target, *permissions; /* all set */
} DeviceWord;

bool device_word_is_cdi(const char *text); /* "vendor.com/class=name": the full name of a CDI device */
fallible device_word_parse(DeviceWord *ret, const char *text);
void device_word_clear(DeviceWord *word);
DEFINE_AUTOCLEAR(DeviceWord, device_word_clear)

/* "nofile=1024:2048"; -1: no limit. */
fallible ulimit_word_parse(char **ret_name, int64_t *ret_soft, int64_t *ret_hard, const char *text);
/* "/dev/sda:1mb"; takes_units: a plain number else. */
fallible rate_word_parse(char **ret_path, int64_t *ret_rate, const char *text, bool takes_units);
/* "localhost:127.0.0.1", "localhost=127.0.0.1", "v6=[::1]", as "NAME:ADDRESS". */
fallible host_word_parse(char **ret, const char *text);
/* "NAME=VALUE"; without "=" the value is empty. */
fallible pair_word_add(StringMap *map, const char *text);
/* Words as a POSIX shell takes a line apart: blanks, quotes, backslashes; nothing is expanded. */
fallible words_split(StringList *ret, const char *line);
