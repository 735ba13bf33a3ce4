// SPDX-License-Identifier: Apache-2.0
#include "telemetry/jail.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <nss.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/user.h"

enum { OPEN_FILES_MAX = 16384, ROOT_GROUP = 0 };

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	/* descriptors */
	"close",
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64", /* how far it came */
	"lseek",
	"_llseek",
	"fcntl",
	"fcntl64",
	/* files */
	"fstat",
	"fstat64",
	"stat",
	"stat64",
	"newfstatat",
	"fstatat64",
	"statx",
	"access", /* the system's certificates */
	"faccessat",
	"getdents64",
	"inotify_add_watch",
	"inotify_rm_watch",
	/* sockets */
	"accept4",
	"bind", /* of a netlink socket, for getaddrinfo(3) */
	"connect",
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
	"shutdown",
	/* waiting */
	"poll",
	"ppoll",
	"ppoll_time64",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"timerfd_settime",
	"timerfd_settime64",
	/* the rest */
	"gettimeofday",
	"time",
	"uname",
	"getrandom",
	"sysinfo",
};

/* Of queues and connections only what is in them is asked. */
static const FilterRule restricted[] = {
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET6)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)}},
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)}},
	{SCMP_SYS(open), SCMP_ACT_ALLOW, 1, {SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
	{SCMP_SYS(openat), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
	{SCMP_SYS(ioctl), SCMP_ACT_ALLOW, 1, {SCMP_A1(SCMP_CMP_EQ, 0x5411 /* SIOCOUTQ, TIOCOUTQ */)}},
	{SCMP_SYS(ioctl), SCMP_ACT_ALLOW, 1, {SCMP_A1(SCMP_CMP_EQ, 0x541b /* FIONREAD: how long an answer is */)}},
};

fallible log_jail_enter(const char *user)
{
	const ConfineLimit limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, confine_open_files(OPEN_FILES_MAX)}};
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	/* The end of a thread that has looked an address up takes it, and no program can be mapped in there. */
	if (!dlopen("libgcc_s.so.1", RTLD_NOW))
		return error_new(ERROR_INTERNAL, "could not load libgcc_s.so.1");
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("hosts", "files dns");
	TRY(jail_user_find(user, &uid, &gid));
	TRY(jail_user_lower(uid, ROOT_GROUP, limits, COUNT(limits)));
	return filter_enter(allowed, COUNT(allowed), restricted, COUNT(restricted));
}
