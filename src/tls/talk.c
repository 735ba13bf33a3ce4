// SPDX-License-Identifier: Apache-2.0
#include "tls/talk.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

typedef union Control {
	char space[CMSG_SPACE(TALK_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
} Control;

static void put_fds(struct msghdr *message, const int *fds, size_t count)
{
	struct cmsghdr *header;

	if (count == 0) {
		message->msg_control = NULL;
		message->msg_controllen = 0;
		return;
	}
	message->msg_controllen = CMSG_SPACE(count * sizeof(int));
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
}

fallible talk_send(int socket, TalkType type, const int *fds, size_t count)
{
	char byte = (char)type;
	struct iovec part = {&byte, 1};
	Control control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space};

	put_fds(&message, fds, count);
	if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return error_errno(errno, "could not send a message");
	return NULL;
}

static void take_fds(struct msghdr *message, int ret_fds[TALK_FDS_MAX], size_t *ret_count)
{
	*ret_count = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		*ret_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(ret_fds, CMSG_DATA(header), *ret_count * sizeof(int));
	}
}

TalkType talk_receive(int socket, int ret_fds[TALK_FDS_MAX], size_t *ret_count)
{
	char byte = 0;
	struct iovec part = {&byte, 1};
	Control control = {0};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t length;

	*ret_count = 0;
	do
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TALK_NOTHING;
	if (length <= 0)
		return TALK_END;
	take_fds(&message, ret_fds, ret_count);
	if (message.msg_flags & MSG_CTRUNC) {
		for (size_t i = 0; i < *ret_count; i++)
			close_fd(&ret_fds[i]);
		*ret_count = 0;
		return TALK_END;
	}
	return byte ? (TalkType)byte : TALK_END;
}
