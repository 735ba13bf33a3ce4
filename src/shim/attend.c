// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shim/server.h"

static ClientSource source_of(Server *s)
{
	bool has_input = s->settings->has_stdin;

	return (ClientSource){&s->streams[0], &s->streams[1], has_input ? &s->input : NULL};
}

void server_on_client(Server *s, const void *payload, size_t length, int fd)
{
	ClientSource source = source_of(s);

	if (s->settings->exec && s->status.state == SHIM_START_FAILED)
		close(fd); /* as clients_let_go() */
	else
		clients_add(&s->clients, &source, payload, length, fd);
}

void server_on_resize(Server *s, const void *payload, size_t length)
{
	ShimResize request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	struct winsize size = {.ws_row = request.rows, .ws_col = request.columns};
	if (s->settings->has_terminal && s->phase == RUNNING)
		ioctl(s->streams[0].fd, TIOCSWINSZ, &size); /* a terminal that is gone has no size */
}

void server_attend(Server *s, int64_t now_ns)
{
	ClientSource source = source_of(s);
	bool has_ended = s->phase > DRAINING && s->streams[0].fd < 0 && s->streams[1].fd < 0;

	if (clients_step(&s->clients, now_ns, STALL_NS))
		connections_owe(&s->connections, OWED_DETACHED);
	if (has_ended)
		clients_release(&s->clients, &source);
}
