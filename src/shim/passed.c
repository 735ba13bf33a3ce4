// SPDX-License-Identifier: Apache-2.0
#include "shim/passed.h"

#include <errno.h>
#include <string.h>

typedef union Control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
} Control;

ssize_t passed_send(int socket, struct iovec *parts, size_t count, int fd)
{
	Control control = {
		.head = {.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t passed_receive(int socket, struct iovec *parts, size_t count, int *ret_fd)
{
	Control control;
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count, .msg_control = &control};
	ssize_t length;

	*ret_fd = -1;
	do {
		message.msg_controllen = CMSG_LEN(sizeof(int)); /* with its padding a second one would fit */
		length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == ECONNRESET);
	const struct cmsghdr *head = length < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) /* the kernel drops a second one */
		memcpy(ret_fd, CMSG_DATA(head), sizeof(*ret_fd));
	return length;
}
