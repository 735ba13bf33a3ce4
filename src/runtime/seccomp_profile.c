// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_profile.h"
#include "base/memory.h"

#include <linux/capability.h>
#include <string.h>

#include "runtime/capability.h"
#include "json/writer.h"

#define CAP(name) CAPABILITY_BIT(CAP_##name)

const SeccompGroup seccomp_groups[] = {
	/* files: opening, reading, writing */
	{"open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev pwrite64 pwritev "
	 "pwritev2 lseek _llseek dup dup2 dup3 fcntl fcntl64 ioctl flock fsync fdatasync sync syncfs sync_file_range "
	 "sync_file_range2 arm_sync_file_range truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 "
	 "fadvise64_64 arm_fadvise64_64 readahead sendfile sendfile64 splice tee vmsplice copy_file_range pipe pipe2",
		SECCOMP_ALLOW},
	/* files: names, directories, attributes */
	{"access faccessat faccessat2 chdir fchdir getcwd mkdir mkdirat mknod mknodat rmdir link linkat symlink "
	 "symlinkat readlink readlinkat rename renameat renameat2 unlink unlinkat chmod fchmod fchmodat fchmodat2 "
	 "chown "
	 "chown32 fchown fchown32 fchownat lchown lchown32 umask getdents getdents64 name_to_handle_at utime utimes "
	 "utimensat utimensat_time64 futimesat stat stat64 fstat fstat64 lstat lstat64 fstatat64 newfstatat statx "
	 "statfs statfs64 fstatfs fstatfs64 statmount listmount cachestat",
		SECCOMP_ALLOW},
	{"getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr removexattr "
	 "lremovexattr fremovexattr getxattrat setxattrat listxattrat removexattrat inotify_init inotify_init1 "
	 "inotify_add_watch inotify_rm_watch fanotify_mark",
		SECCOMP_ALLOW},
	/* waiting for many */
	{"select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl "
	 "epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
	 "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 io_setup io_destroy "
	 "io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64",
		SECCOMP_ALLOW},
	/* memory */
	{"brk mmap mmap2 munmap mremap mprotect msync madvise mincore mlock mlock2 mlockall munlock munlockall "
	 "remap_file_pages memfd_create memfd_secret membarrier pkey_alloc pkey_free pkey_mprotect map_shadow_stack "
	 "mseal process_mrelease cacheflush",
		SECCOMP_ALLOW},
	/* processes and threads */
	{"execve execveat exit exit_group fork vfork wait4 waitid waitpid getpid getppid gettid getpgid getpgrp "
	 "setpgid "
	 "getsid setsid prctl arch_prctl modify_ldt set_thread_area get_thread_area set_tls set_tid_address "
	 "set_robust_list get_robust_list rseq restart_syscall futex futex_time64 futex_waitv futex_wait futex_wake "
	 "futex_requeue pidfd_open pidfd_send_signal ptrace process_vm_readv process_vm_writev breakpoint uretprobe",
		SECCOMP_ALLOW},
	{"getpriority setpriority ioprio_get ioprio_set getrlimit ugetrlimit setrlimit prlimit64 getrusage times "
	 "getcpu "
	 "sysinfo uname sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam "
	 "sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min "
	 "sched_rr_get_interval sched_rr_get_interval_time64",
		SECCOMP_ALLOW},
	/* signals */
	{"kill tkill tgkill pause sigreturn sigprocmask sigaltstack rt_sigaction rt_sigpending rt_sigprocmask "
	 "rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64",
		SECCOMP_ALLOW},
	/* who one is: the kernel checks capabilities itself */
	{"getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid "
	 "getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 "
	 "setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 "
	 "capget capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self getrandom",
		SECCOMP_ALLOW},
	/* time */
	{"time gettimeofday alarm nanosleep getitimer setitimer clock_gettime clock_gettime64 clock_getres "
	 "clock_getres_time64 clock_nanosleep clock_nanosleep_time64 adjtimex clock_adjtime clock_adjtime64 "
	 "timer_create "
	 "timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64",
		SECCOMP_ALLOW},
	/* sockets; socketcall is i386's one door for all of them and cannot be looked into */
	{"socketcall socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt "
	 "shutdown send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
		SECCOMP_ALLOW},
	{"socket", SECCOMP_SOCKET},
	/* System V and POSIX message passing */
	{"ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget "
	 "mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	 "mq_timedsend_time64",
		SECCOMP_ALLOW},
	{"personality", SECCOMP_PERSONALITY},

	/* New namespaces need SYS_ADMIN. clone3 hides its flags in memory, so it does not exist without: programs fall
	   back to clone. */
	{"clone clone3", SECCOMP_ALLOW, .with = CAP(SYS_ADMIN)},
	{"clone", SECCOMP_CLONE, .without = CAP(SYS_ADMIN)},
	{"clone3", SECCOMP_NO_SYSCALL, .without = CAP(SYS_ADMIN)},
	{"mount umount umount2 mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick setns unshare "
	 "sethostname setdomainname quotactl quotactl_fd lookup_dcookie fanotify_init lsm_get_self_attr "
	 "lsm_set_self_attr lsm_list_modules",
		SECCOMP_ALLOW, .with = CAP(SYS_ADMIN)},
	{"bpf", SECCOMP_ALLOW, .with = CAP(SYS_ADMIN) | CAP(BPF)},
	{"perf_event_open", SECCOMP_ALLOW, .with = CAP(SYS_ADMIN) | CAP(PERFMON)},
	{"syslog", SECCOMP_ALLOW, .with = CAP(SYS_ADMIN) | CAP(SYSLOG)},
	{"open_by_handle_at", SECCOMP_ALLOW, .with = CAP(DAC_READ_SEARCH)},
	{"reboot", SECCOMP_ALLOW, .with = CAP(SYS_BOOT)},
	{"chroot", SECCOMP_ALLOW, .with = CAP(SYS_CHROOT)},
	{"init_module finit_module delete_module", SECCOMP_ALLOW, .with = CAP(SYS_MODULE)},
	{"acct", SECCOMP_ALLOW, .with = CAP(SYS_PACCT)},
	{"kcmp pidfd_getfd process_madvise", SECCOMP_ALLOW, .with = CAP(SYS_PTRACE)},
	{"iopl ioperm", SECCOMP_ALLOW, .with = CAP(SYS_RAWIO)},
	{"settimeofday stime clock_settime clock_settime64", SECCOMP_ALLOW, .with = CAP(SYS_TIME)},
	{"vhangup", SECCOMP_ALLOW, .with = CAP(SYS_TTY_CONFIG)},
	{"get_mempolicy set_mempolicy set_mempolicy_home_node mbind", SECCOMP_ALLOW, .with = CAP(SYS_NICE)},
};
const size_t seccomp_group_count = COUNT(seccomp_groups);

const SeccompComparison seccomp_comparisons[] = {
	/* every family but ALG (38: the kernel's crypto, a source of holes) and VSOCK (40: reaches the host past every
	   namespace) */
	{SECCOMP_SOCKET, 0, SECCOMP_LESS, 38},
	{SECCOMP_SOCKET, 0, SECCOMP_EQUAL, 39},
	{SECCOMP_SOCKET, 0, SECCOMP_GREATER, 40},
	/* LINUX, LINUX32, each with UNAME26, and the query */
	{SECCOMP_PERSONALITY, 0, SECCOMP_EQUAL, 0x0},
	{SECCOMP_PERSONALITY, 0, SECCOMP_EQUAL, 0x8},
	{SECCOMP_PERSONALITY, 0, SECCOMP_EQUAL, 0x20000},
	{SECCOMP_PERSONALITY, 0, SECCOMP_EQUAL, 0x20008},
	{SECCOMP_PERSONALITY, 0, SECCOMP_EQUAL, 0xffffffff},
	/* CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} */
	{SECCOMP_CLONE, 0, SECCOMP_NO_BITS, 0x7e020000},
};
const size_t seccomp_comparison_count = COUNT(seccomp_comparisons);

const SeccompNewcomer seccomp_newcomers[] = {
	{"uretprobe", 335, .only_x86_64 = true},
	{"set_mempolicy_home_node", 450},
	{"cachestat", 451},
	{"fchmodat2", 452},
	{"map_shadow_stack", 453},
	{"futex_wake", 454},
	{"futex_wait", 455},
	{"futex_requeue", 456},
	{"statmount", 457},
	{"listmount", 458},
	{"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460},
	{"lsm_list_modules", 461},
	{"mseal", 462},
	{"setxattrat", 463},
	{"getxattrat", 464},
	{"listxattrat", 465},
	{"removexattrat", 466},
};
const size_t seccomp_newcomer_count = COUNT(seccomp_newcomers);
const uint32_t seccomp_last_number = 466;

bool seccomp_group_applies(const SeccompGroup *group, uint64_t capabilities)
{
	return (!group->with || (group->with & capabilities)) && !(group->without & capabilities);
}

uint64_t seccomp_relevant_capabilities(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < seccomp_group_count; i++)
		set |= seccomp_groups[i].with | seccomp_groups[i].without;
	return set;
}

/* ---- JSON ---- */

static void write_architectures(Writer *writer)
{
	write_array(writer, "architectures");
#if defined(__x86_64__)
	write_string(writer, NULL, "SCMP_ARCH_X86_64");
	write_string(writer, NULL, "SCMP_ARCH_X86");
	write_string(writer, NULL, "SCMP_ARCH_X32");
#elif defined(__aarch64__)
	write_string(writer, NULL, "SCMP_ARCH_AARCH64");
	write_string(writer, NULL, "SCMP_ARCH_ARM");
#elif defined(__arm__)
	write_string(writer, NULL, "SCMP_ARCH_ARM");
#elif defined(__i386__)
	write_string(writer, NULL, "SCMP_ARCH_X86");
#endif
	write_array_end(writer);
}

static void write_names(Writer *writer, const char *names)
{
	write_array(writer, "names");
	for (const char *at = names; *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		write_string_n(writer, NULL, at, length);
		at += length;
	}
	write_array_end(writer);
}

static void write_comparison(Writer *writer, const SeccompComparison *comparison)
{
	static const char *const operators[] = {
		[SECCOMP_EQUAL] = "SCMP_CMP_EQ",
		[SECCOMP_LESS] = "SCMP_CMP_LT",
		[SECCOMP_GREATER] = "SCMP_CMP_GT",
		[SECCOMP_NO_BITS] = "SCMP_CMP_MASKED_EQ", /* value is the mask, valueTwo what must remain */
	};

	write_array(writer, "args");
	write_object(writer, NULL);
	write_uint(writer, "index", comparison->argument);
	write_uint(writer, "value", comparison->value);
	write_uint(writer, "valueTwo", 0);
	write_string(writer, "op", operators[comparison->test]);
	write_object_end(writer);
	write_array_end(writer);
}

static void write_rule(Writer *writer, const SeccompGroup *group, const SeccompComparison *comparison)
{
	bool is_allowed = group->verdict != SECCOMP_NO_SYSCALL;

	write_object(writer, NULL);
	write_names(writer, group->names);
	write_string(writer, "action", is_allowed ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
	if (!is_allowed)
		write_int(
			writer, "errnoRet", 38); /* ENOSYS, as the spec's users on every architecture here number it */
	if (comparison)
		write_comparison(writer, comparison);
	write_object_end(writer);
}

/* The runtime's filter is an "or" over its rules: one rule a comparison. */
static void write_group(Writer *writer, const SeccompGroup *group)
{
	size_t written = 0;

	for (size_t i = 0; i < seccomp_comparison_count; i++) {
		if (seccomp_comparisons[i].verdict != group->verdict)
			continue;
		write_rule(writer, group, &seccomp_comparisons[i]);
		written++;
	}
	if (!written)
		write_rule(writer, group, NULL);
}

void seccomp_profile_json(Buffer *out, uint64_t capabilities)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_string(&writer, "defaultAction", "SCMP_ACT_ERRNO");
	write_int(&writer, "defaultErrnoRet", 1);
	write_architectures(&writer);
	write_array(&writer, "syscalls");
	for (size_t i = 0; i < seccomp_group_count; i++)
		if (seccomp_group_applies(&seccomp_groups[i], capabilities))
			write_group(&writer, &seccomp_groups[i]);
	write_array_end(&writer);
	write_object_end(&writer);
}
