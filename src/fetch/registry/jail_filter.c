// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/jail_filter.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "jail/filter.h"

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	/* files: the descriptors that were handed over, and the resolver's configuration */
	"close",
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"lseek",
	"_llseek",
	"ftruncate",
	"ftruncate64",
	"fstat",
	"fstat64",
	"fstatat64",
	"newfstatat",
	"statx",
	"fcntl",
	"fcntl64",
	"sync_file_range",
	"sync_file_range2",
	"dup",
	/* sockets */
	"socketpair",
	"connect",
	"bind",
	"shutdown",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"sendto",
	"recvfrom",
	"send",
	"recv",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"recvmmsg_time64",
	"ioctl",
	/* waiting */
	"poll",
	"ppoll",
	"ppoll_time64",
	"select",
	"_newselect",
	"pselect6",
	"pselect6_time64",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_settime64",
	"eventfd2",
	"pipe2",
	/* the rest */
	"clock_getres",
	"gettimeofday",
	"time",
	"uname",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getuid32",
	"geteuid32",
	"getgid32",
	"getegid32",
};

/* Files for reading alone; sockets for IP and for asking about addresses. */
static const FilterRule restricted[] = {
	{SCMP_SYS(openat), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
	{SCMP_SYS(open), SCMP_ACT_ALLOW, 1, {SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET6)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 2, {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE)}},
};

Error *fetch_jail_filter_load(void)
{
	return filter_enter(allowed, COUNT(allowed), restricted, COUNT(restricted));
}
