// SPDX-License-Identifier: Apache-2.0
#include "dns/jail.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/user.h"

/* Two for each container, one for each question and connection. */
enum { OPEN_FILES_MAX = 65536 };

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	/* descriptors */
	"close",
	"read",
	"write", /* the log, too */
	"lseek",
	"_llseek",
	"fcntl",
	"fcntl64",
	/* resolv.conf */
	"fstat",
	"fstat64",
	"stat",
	"stat64",
	"newfstatat",
	"fstatat64",
	"statx",
	/* sockets */
	"accept4",
	"connect",
	"getsockopt",
	"sendto",
	"recvfrom",
	"send",
	"recv",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"recvmmsg_time64",
	/* waiting */
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"timerfd_settime",
	"timerfd_settime64",
	/* the rest */
	"gettimeofday",
	"time",
};

/* Files are read, nothing else; of devices only the number of an interface is asked for ("fe80::1%eth0"). */
static const FilterRule restricted[] = {
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET6)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 2,
		{SCMP_A0(SCMP_CMP_EQ, AF_UNIX), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM)}},
	{SCMP_SYS(open), SCMP_ACT_ALLOW, 1, {SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
	{SCMP_SYS(openat), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
	{SCMP_SYS(ioctl), SCMP_ACT_ALLOW, 1, {SCMP_A1(SCMP_CMP_EQ, SIOCGIFINDEX)}},
};

fallible dns_jail_enter(const char *user)
{
	const ConfineLimit limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, confine_open_files(OPEN_FILES_MAX)},
	};

	TRY(jail_user_enter(user, limits, COUNT(limits)));
	return filter_enter(allowed, COUNT(allowed), restricted, COUNT(restricted));
}
