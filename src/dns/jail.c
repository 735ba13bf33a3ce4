// SPDX-License-Identifier: Apache-2.0
#include "dns/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <nss.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/user.h"

/* Two for each container, one for each question and connection. */
enum { OPEN_FILES_MAX = 65536 };

#ifndef KEDGE_SANITIZED /* whose runtime calls what it likes */
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
#endif

static fallible load_filter(void)
{
#ifndef KEDGE_SANITIZED
	autoptr(Filter) filter = NULL;

	TRY(filter_new(&filter, SCMP_ACT_ERRNO(EPERM)));
	TRY(filter_add_names(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed)));
	TRY(filter_add_deadly(filter));
	TRY(filter_add_memory_and_threads(filter));
	TRY(filter_add_rules(filter, restricted, COUNT(restricted)));
	TRY(filter_load(filter));
#endif
	return NULL;
}

#ifdef KEDGE_SANITIZED
/* Finding leaks takes a /proc that is the process's own. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* As many as can be had. */
static rlim_t open_files_max(void)
{
	struct rlimit now = {0};

	if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_max > OPEN_FILES_MAX)
		return OPEN_FILES_MAX;
	return now.rlim_max;
}

fallible dns_jail_enter(const char *user)
{
	const ConfineLimit limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, open_files_max()},
	};
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	__nss_configure_lookup("passwd", "files");
	TRY(jail_user_find(user, &uid, &gid));
	TRY(confine_limits(limits, COUNT(limits)));
	TRY(confine_bounding(0));
	TRY(jail_user_become(uid, gid));
	TRY(confine_capabilities(0));
	return load_filter();
}
