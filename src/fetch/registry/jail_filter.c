// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/jail_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/cleanup.h"

typedef void Filter;
DEFINE_AUTOPTR(Filter, seccomp_release)

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
	/* the rest */
	"clock_gettime",
	"clock_gettime64",
	"clock_getres",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"gettimeofday",
	"time",
	"getrandom",
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

/* Nothing that is linked here calls these: who does is an intruder. */
static const char *const deadly[] = {
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"kill",
	"tkill",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"fsopen",
	"fsmount",
	"move_mount",
	"open_tree",
	"mount_setattr",
	"unshare",
	"setns",
	"bpf",
	"perf_event_open",
	"keyctl",
	"add_key",
	"request_key",
	"init_module",
	"finit_module",
	"kexec_load",
	"io_uring_setup",
	"userfaultfd",
	"pidfd_getfd",
	"open_by_handle_at",
	"setuid",
	"setresuid",
	"setgid",
	"setresgid",
	"setgroups",
	"capset",
};

static fallible failed(int result)
{
	return error_errno(-result, "could not build the system call filter");
}

static fallible add_names(Filter *filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		int result = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);
		if (result < 0 && result != -EDOM)
			return failed(result);
	}
	return NULL;
}

/* Files for reading alone; sockets for IP and for asking about addresses; memory that cannot be run; threads, no
 * processes. clone3 hides its flags in memory: the C library goes back to clone. */
static fallible allow_restricted(Filter *filter)
{
	const struct {
		int number;
		uint32_t action;
		unsigned count;
		struct scmp_arg_cmp arguments[2];
	} rules[] = {
		{SCMP_SYS(openat), SCMP_ACT_ALLOW, 1,
			{SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
		{SCMP_SYS(open), SCMP_ACT_ALLOW, 1,
			{SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
		{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET)}},
		{SCMP_SYS(socket), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_EQ, AF_INET6)}},
		{SCMP_SYS(socket), SCMP_ACT_ALLOW, 2,
			{SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE)}},
		{SCMP_SYS(mmap), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(mmap2), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(mprotect), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(clone), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)}},
		{SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS), 0, {}},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int result = seccomp_rule_add_array(
			filter, rules[i].action, rules[i].number, rules[i].count, rules[i].arguments);
		if (result < 0 && result != -EDOM)
			return failed(result);
	}
	return NULL;
}

#ifdef KEDGE_SANITIZED
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

Error *fetch_jail_filter_load(void)
{
	autoptr(Filter) filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (IS_SANITIZED)
		return NULL; /* the sanitizers' runtime calls what it likes */
	if (!filter)
		return error_new(ERROR_INTERNAL, "could not build the system call filter");
	TRY(add_names(filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0])));
	TRY(add_names(filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(deadly[0])));
	TRY(allow_restricted(filter));
	int result = seccomp_load(filter);
	return result < 0 ? error_errno(-result, "could not load the system call filter") : NULL;
}
