// SPDX-License-Identifier: Apache-2.0
#include "tls/jail.h"

#include <errno.h>
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

static fallible load_filter(void)
{
#ifndef KEDGE_SANITIZED /* whose runtime calls what it likes */
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
/* Finding leaks takes a /proc, which a jail has not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

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
	TRY(confine_limits(limits, COUNT(limits)));
	TRY(confine_bounding(0));
	TRY(jail_user_become(uid, gid));
	TRY(confine_capabilities(0));
	return load_filter();
}
