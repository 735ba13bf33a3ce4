// SPDX-License-Identifier: Apache-2.0
#include "tls/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/socket.h"

enum { ANSWER_LIMIT_S = 2 };

static fallible make_address(struct sockaddr_un *ret, const char *directory)
{
	autofree char *path = path_join(directory, "takeover");

	return socket_address(ret, path);
}

fallible takeover_listen(int *ret_fd, const char *directory)
{
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	TRY(make_address(&address, directory));
	TRY(file_unlink(AT_FDCWD, address.sun_path));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		return error_errno(errno, "could not listen on socket \"%s\"", address.sun_path);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible ask(int ret_fds[TALK_FDS_MAX], size_t *ret_count, const char *directory)
{
	const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	TRY(make_address(&address, directory));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED) /* nobody is there */
			return NULL;
		return error_errno(errno, "could not ask it");
	}
	if (talk_receive(fd, ret_fds, ret_count) == TALK_NOTHING)
		return error_new(ERROR_TIMEOUT, "it does not answer");
	return NULL;
}

void takeover_from_last(int ret_fds[TALK_FDS_MAX], size_t *ret_count, const char *directory)
{
	Error *error;

	*ret_count = 0;
	error = ask(ret_fds, ret_count, directory);
	if (error)
		error_log(error, "the kedge-tls of an earlier kedged keeps its listening sockets");
}
