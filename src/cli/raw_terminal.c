// SPDX-License-Identifier: Apache-2.0
#include "cli/raw_terminal.h"

#include <errno.h>
#include <stddef.h>

Error *raw_terminal_begin(RawTerminal *ret, int fd)
{
	struct termios raw, before;

	if (tcgetattr(fd, &before) < 0)
		return error_errno(errno, "could not look at the terminal");
	raw = before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return error_errno(errno, "could not switch the terminal over");
	*ret = (RawTerminal){.fd = fd, .before = before};
	return NULL;
}

void raw_terminal_end(RawTerminal *raw)
{
	if (raw->fd >= 0)
		tcsetattr(raw->fd, TCSANOW, &raw->before);
	raw->fd = -1;
}
