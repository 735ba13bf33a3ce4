// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack/jail_filter.h"

#include <errno.h>

#include "base/memory.h"
#include "jail/filter.h"

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	/* files below the root */
	"openat",
	"openat2",
	"close",
	"read",
	"write",
	"pread64",
	"pwrite64",
	"lseek",
	"_llseek",
	"ftruncate",
	"ftruncate64",
	"fallocate",
	"fstat",
	"fstat64",
	"fstatat64",
	"newfstatat",
	"statx",
	"fcntl",
	"fcntl64",
	"getdents64",
	"getdents",
	"mkdirat",
	"mknodat",
	"symlinkat",
	"linkat",
	"unlinkat",
	"fchown",
	"fchownat",
	"fchmod",
	"fchmodat",
	"utimensat",
	"utimensat_time64",
	"fsetxattr",
	"fchdir",
	"getcwd",
	"sync_file_range",
	"sync_file_range2",
	"fadvise64",
	"fadvise64_64",
	"syncfs",
	/* the control socket */
	"poll",
	"ppoll",
	"ppoll_time64",
	"recvmsg",
	"sendmsg",
	"recvfrom",
	"sendto",
	"recv",
	"send",
};

/* Names a thread's memory, since glibc 2.38; nothing depends on it. */
static const FilterRule in_vain[] = {{SCMP_SYS(prctl), SCMP_ACT_ERRNO(EPERM), 0, {}}};

Error *jail_filter_load(void)
{
	autoptr(Filter) filter = NULL;

	TRY(filter_new(&filter, SCMP_ACT_KILL_PROCESS));
	TRY(filter_add_names(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed)));
	TRY(filter_add_memory_and_threads(filter));
	TRY(filter_add_rules(filter, in_vain, COUNT(in_vain)));
	return filter_load(filter);
}
