// SPDX-License-Identifier: Apache-2.0
#include "tls/jail.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/root.h"
#include "jail/user.h"

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	/* descriptors, those of the certificates among them */
	"close",
	"read",
	"write",
	"readv",
	"writev",
	"lseek",
	"_llseek",
	"fstat",
	"fstat64",
	"newfstatat", /* fstat(3) since glibc 2.33 */
	"fcntl",
	"fcntl64",
	/* sockets */
	"accept4",
	"connect",
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
	/* waiting */
	"poll",
	"ppoll",
	"ppoll_time64",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_settime64",
	/* the rest */
	"gettimeofday",
	"time",
};

static const FilterRule restricted[] = {
	{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)}},
};

fallible tls_jail_enter(const char *user, int root, size_t open_files_max)
{
	const ConfineLimit limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, open_files_max},
	};
	autofd tree = -1;
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	TRY(jail_user_find(user, &uid, &gid));
	TRY(jail_root_of(&tree, root));
	TRY(confine_namespaces(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET));
	TRY(confine_root(tree, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC));
	TRY(jail_user_lower(uid, gid, limits, COUNT(limits)));
	return filter_enter(allowed, COUNT(allowed), restricted, COUNT(restricted));
}
