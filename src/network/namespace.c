// SPDX-License-Identifier: Apache-2.0
#include "network/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/strings.h"

#define OURS "/proc/thread-self/ns/net"

static fallible open_ours(int *ret)
{
	TRY_WRAP(file_open(ret, AT_FDCWD, OURS, O_RDONLY, 0), "network namespace");
	return NULL;
}

void namespace_leave(int take_home)
{
	if (setns(take_home, CLONE_NEWNET) < 0)
		abort();
	close(take_home);
}

fallible namespace_enter(int *ret_home, int fd)
{
	int home;

	TRY(open_ours(&home));
	if (setns(fd, CLONE_NEWNET) < 0) {
		Error *error = error_errno(errno, "could not enter a network namespace");

		close(home);
		return error;
	}
	*ret_home = home;
	return NULL;
}

/* The kernel gives lo its addresses when it comes up. */
static fallible set_lo_up(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	autofd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return error_errno(errno, "could not set up lo in a new network namespace");
	return NULL;
}

static fallible fill_new(int *ret_fd)
{
	TRY(set_lo_up());
	return open_ours(ret_fd);
}

fallible namespace_make(int *ret_fd)
{
	Error *error;
	int home;

	TRY(open_ours(&home));
	if (unshare(CLONE_NEWNET) < 0) {
		error = error_errno(errno, "could not make a network namespace");
		close(home);
		return error;
	}
	error = fill_new(ret_fd);
	namespace_leave(home);
	return error;
}

static bool is_ours(int fd)
{
	struct stat other, own;

	return fstat(fd, &other) == 0 && stat("/proc/thread-self/ns/net", &own) == 0 && other.st_dev == own.st_dev &&
	       other.st_ino == own.st_ino;
}

fallible namespace_open_of(int *ret_fd, pid_t process)
{
	char path[64];

	autofd fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)process);
	TRY_WRAP(file_open(&fd, AT_FDCWD, path, O_RDONLY, 0), "network namespace of process %d", (int)process);
	if (is_ours(fd))
		return error_new(ERROR_NOT_FOUND, "process %d has no network namespace of its own", (int)process);
	*ret_fd = take_fd(&fd);
	return NULL;
}

/* Dots become slashes and slashes dots. */
static char *path_of(const char *name)
{
	char *path = string_printf("/proc/sys/%s", name);

	for (char *c = path + strlen("/proc/sys/"); *c; c++)
		*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
	return path;
}

/* No path leads out of net (".."). /proc/sys/net shows the namespace of who opens the file. */
fallible namespace_sysctl(int fd, const char *name, const char *value)
{
	autofree char *path = path_of(name);
	Error *error;
	int home;

	if (!string_starts(name, "net.") || strstr(path, ".."))
		return error_new(ERROR_INVALID, "\"%s\" is not a setting of a network namespace", name);
	TRY(namespace_enter(&home, fd));
	error = file_poke(AT_FDCWD, path, value);
	namespace_leave(home);
	return error;
}
