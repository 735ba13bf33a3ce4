// SPDX-License-Identifier: Apache-2.0
#include "shim/console.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shim/passed.h"

const char console_name[] = "console.sock";

Error *console_listen(int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, console_name);
	unlink(console_name);
	mode_t mask = umask(0177);
	int problem =
		fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ? errno : 0;
	umask(mask);
	if (problem)
		return error_errno(problem, "could not listen for a terminal");
	*ret_fd = take_fd(&fd);
	return NULL;
}

int console_take(int listen_fd)
{
	char name[64]; /* runtimes send the terminal's name with it */
	struct iovec part = {name, sizeof(name)};
	autofd fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int terminal = -1;

	if (fd >= 0)
		passed_receive(fd, &part, 1, &terminal);
	return terminal;
}
