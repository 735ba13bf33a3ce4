// SPDX-License-Identifier: Apache-2.0
#include "base/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

typedef union Control {
	char space[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
} Control;

/* ---- words ---- */

void packet_add(Buffer *packet, const char *word)
{
	const char *text = word ? word : "";

	buffer_add(packet, text, strlen(text) + 1);
}

void packet_init(Buffer *packet, const char *verb)
{
	buffer_init(packet, PACKET_MAX);
	packet_add(packet, verb);
}

const char *packet_next(Packet *packet)
{
	const char *word = packet->bytes + packet->at;

	if (packet->at >= packet->length)
		return NULL;
	packet->at += strlen(word) + 1;
	return word;
}

void packet_close(Packet *packet)
{
	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		close_fd(&packet->fds[i]);
}

/* ---- sending ---- */

static void put_fds(struct msghdr *message, Control *control, const int *fds)
{
	size_t count = 0;

	while (fds && count < PACKET_FDS_MAX && fds[count] >= 0)
		count++;
	if (!count)
		return;
	message->msg_control = control->space;
	message->msg_controllen = CMSG_SPACE(count * sizeof(int));
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
}

PacketResult packet_send(int socket, const Buffer *packet, const int *fds)
{
	struct iovec part = {packet->data, packet->length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	Control control = {0};
	ssize_t sent;

	put_fds(&message, &control, fds);
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return PACKET_DONE;
	return errno == EAGAIN || errno == ENOBUFS ? PACKET_LATER : PACKET_END;
}

/* ---- receiving ---- */

static void take_fds(struct msghdr *message, Packet *packet)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(packet->fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	}
}

PacketResult packet_receive(Packet *ret, int socket)
{
	static char bytes[PACKET_MAX + 1];
	struct iovec part = {bytes, PACKET_MAX};
	Control control = {0};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t length;

	do
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (length < 0 && errno == EINTR);
	if (length < 0 && errno == EAGAIN)
		return PACKET_LATER;
	if (length <= 0)
		return PACKET_END;
	*ret = (Packet){.bytes = bytes, .length = (size_t)length};
	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		ret->fds[i] = -1;
	take_fds(&message, ret);
	bytes[length] = '\0';
	if (!(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)))
		return PACKET_DONE;
	packet_close(ret);
	return PACKET_END;
}
