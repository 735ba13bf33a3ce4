// SPDX-License-Identifier: Apache-2.0
#include "shim/relayed.h"

#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"

static fallible read_range(Relayed *ret, const char *text, size_t held_count)
{
	const char *dash = strchr(text, '-');
	autofree char *first = mem_strndup(text, dash ? (size_t)(dash - text) : strlen(text));
	int64_t from, to;

	TRY(string_to_int64(&from, first, 0, (int64_t)held_count - 1));
	to = from;
	if (dash)
		TRY(string_to_int64(&to, dash + 1, from, (int64_t)held_count - 1));
	ret->first = (size_t)from;
	ret->last = (size_t)to;
	return NULL;
}

static fallible read_word(Relayed *ret, const char *word, size_t held_count)
{
	const char *colon = strchr(word, ':');
	Relayed relayed;
	int64_t port;

	if (!colon)
		return error_new(ERROR_INVALID, "it is not of the form FIRST[-LAST]:PORT");
	autofree char *range = mem_strndup(word, (size_t)(colon - word));
	TRY(read_range(&relayed, range, held_count));
	TRY(string_to_int64(&port, colon + 1, 1, UINT16_MAX - (int64_t)(relayed.last - relayed.first)));
	relayed.port = (uint16_t)port;
	*ret = relayed;
	return NULL;
}

Error *relayed_parse(Relayed *ret, const char *word, size_t held_count)
{
	TRY_WRAP(read_word(ret, word, held_count), "--relay-port \"%s\"", word);
	return NULL;
}

static size_t last_of_row(const uint16_t *ports, size_t at, size_t held_count)
{
	while (at + 1 < held_count && ports[at] < UINT16_MAX && ports[at + 1] == ports[at] + 1)
		at++;
	return at;
}

void relayed_write(StringList *ret, const uint16_t *ports, size_t held_count)
{
	for (size_t at = 0; at < held_count; at++) {
		size_t first = at;
		if (!ports[at])
			continue;
		at = last_of_row(ports, at, held_count);
		if (at > first)
			strings_printf(ret, "%zu-%zu:%u", first, at, ports[first]);
		else
			strings_printf(ret, "%zu:%u", first, ports[first]);
	}
}

bool relayed_is_stream(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}
