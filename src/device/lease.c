// SPDX-License-Identifier: Apache-2.0
#include "device/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

/* The kernel gives a lease on reading only where nobody writes. Who opens the file for writing while we have it makes
 * the kernel send us a signal: SIGIO, which ends a process, unless it is given another one. */
bool file_is_being_written(int fd)
{
	fcntl(fd, F_SETSIG, SIGURG);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}
