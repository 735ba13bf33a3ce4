// SPDX-License-Identifier: Apache-2.0
#include "websocket/carrier.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/files.h"
#include "base/orphan.h"
#include "base/process.h"

static fallible early_file(int *ret_fd, const WebsocketClient *client)
{
	autofd fd = memfd_create("kedge-ws", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	TRY(file_write_all(fd, client->early, client->early_length, "early input"));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(errno, "could not rewind a file in memory");
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible spawn(pid_t *ret, const char *program, const WebsocketClient *client, int client_fd, int plain)
{
	const char *argv[4] = {program};
	size_t count = 1;
	autofd early = -1;
	ProcessSpec spec = {.path = program,
		.argv = argv,
		.fds = {{client_fd, WEBSOCKET_CLIENT_FD}, {plain, WEBSOCKET_PLAIN_FD}},
		.fd_count = 2,
		.new_session = true};

	if (client->is_text)
		argv[count++] = "--text";
	if (!client->takes_input)
		argv[count++] = "--no-input";
	if (client->early_length) {
		TRY(early_file(&early, client));
		spec.fds[spec.fd_count++] = (ProcessFd){early, STDIN_FILENO};
	}
	return process_spawn(ret, &spec);
}

fallible websocket_carry(int *ret_fd, Loop *loop, const char *program, const WebsocketClient *client, int client_fd)
{
	int sockets[2];
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(errno, "could not make a socket pair");
	autofd ours = sockets[0], theirs = sockets[1];
	TRY(spawn(&pid, program, client, client_fd, theirs));
	orphan_reap(loop, pid);
	*ret_fd = take_fd(&ours);
	return NULL;
}
