// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "fetch/unpack/jail_filter.h"

typedef void Filter;
DEFINE_AUTOPTR(Filter, seccomp_release)

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
	/* memory and threads */
	"brk",
	"munmap",
	"mremap",
	"madvise",
	"futex",
	"futex_time64",
	"set_robust_list",
	"rseq",
	"set_tid_address",
	"gettid",
	"getpid",
	"tgkill",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigreturn",
	"sigaltstack",
	"sched_yield",
	"sched_getaffinity",
	"restart_syscall",
	"exit",
	"exit_group",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"getrandom",
};

static fallible failed(int result)
{
	return error_errno(-result, "could not build the system call filter");
}

static fallible allow_names(Filter *filter)
{
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);
		int result = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (result < 0)
			return failed(result);
	}
	return NULL;
}

/* Memory, but none that can be run; clone(2), but for threads only. clone3 hides its flags in memory: the C library
 * goes back to clone. */
static fallible allow_restricted(Filter *filter)
{
	const struct {
		int number;
		uint32_t action;
		unsigned count;
		struct scmp_arg_cmp argument;
	} rules[] = {
		{SCMP_SYS(mmap), SCMP_ACT_ALLOW, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(mmap2), SCMP_ACT_ALLOW, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(mprotect), SCMP_ACT_ALLOW, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(clone), SCMP_ACT_ALLOW, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
		{SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS), 0, {0}},
		/* names a thread's memory, since glibc 2.38; nothing depends on it */
		{SCMP_SYS(prctl), SCMP_ACT_ERRNO(EPERM), 0, {0}},
	};

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		int result = seccomp_rule_add_array(
			filter, rules[i].action, rules[i].number, rules[i].count, &rules[i].argument);
		if (result < 0)
			return failed(result);
	}
	return NULL;
}

Error *jail_filter_load(void)
{
	autoptr(Filter) filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int result;

	if (!filter)
		return error_new(ERROR_INTERNAL, "could not build the system call filter");
	TRY(allow_names(filter));
	TRY(allow_restricted(filter));
	result = seccomp_load(filter);
	return result < 0 ? error_errno(-result, "could not load the system call filter") : NULL;
}
