// SPDX-License-Identifier: Apache-2.0
#include "shim/connections.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "shim/passed.h"

void connections_init(Connections *connections, int listen_fd)
{
	connections->listen_fd = listen_fd;
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		connections->table[i] = (Connection){.fd = -1};
}

void connections_add(Connections *connections, int fd)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		if (connections->table[i].fd >= 0)
			continue;
		connections->table[i] = (Connection){.fd = fd, .owed = OWED_STATUS};
		return;
	}
	close(fd);
}

void connections_accept(Connections *connections)
{
	int fd;

	while ((fd = accept4(connections->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		connections_add(connections, fd);
}

void connections_owe(Connections *connections, uint32_t owed)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (connections->table[i].fd >= 0)
			connections->table[i].owed |= owed;
}

void connection_mute(Connection *connection)
{
	*connection = (Connection){.fd = connection->fd};
}

void connection_close(Connection *connection)
{
	close_fd(&connection->fd);
	*connection = (Connection){.fd = -1};
}

SendResult connection_send(Connection *connection, const Packet *packet)
{
	ShimHeader header = {packet->message, (uint32_t)(packet->head_length + packet->tail_length)};
	struct iovec parts[] = {
		{&header, sizeof(header)},
		{(void *)packet->head, packet->head_length},
		{(void *)packet->tail, packet->tail_length},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};

	if (sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
		connection->stalled_ns = 0;
		return SENT;
	}
	if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM && errno != EINTR)
		return SEND_FAILED;
	if (!connection->stalled_ns)
		connection->stalled_ns = clock_monotonic_ns();
	return SEND_LATER;
}

int connection_receive(Connection *connection, ShimHeader *ret_header, void *payload, int *ret_fd)
{
	struct iovec parts[] = {{ret_header, sizeof(*ret_header)}, {payload, REQUEST_MAX}};
	autofd fd = -1;
	ssize_t count = passed_receive(connection->fd, parts, 2, &fd);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (count <= 0)
		return -1;
	/* What says a length that it does not have comes from no kedged: such a connection is ended. */
	if ((size_t)count < sizeof(*ret_header) || ret_header->length != (size_t)count - sizeof(*ret_header))
		return -1;
	*ret_fd = take_fd(&fd);
	return 1;
}
