// SPDX-License-Identifier: Apache-2.0
#include "jail/filter.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

#include "base/memory.h"

static fallible failed(int result)
{
	return error_errno(-result, "could not build the system call filter");
}

fallible filter_new(Filter **ret, uint32_t otherwise)
{
	Filter *filter = seccomp_init(otherwise);

	if (!filter)
		return error_new(ERROR_INTERNAL, "could not build the system call filter");
	*ret = filter;
	return NULL;
}

Filter *filter_free(Filter *filter)
{
	if (filter)
		seccomp_release(filter);
	return NULL;
}

fallible filter_add_names(Filter *filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		int result = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);
		if (result < 0 && result != -EDOM)
			return failed(result);
	}
	return NULL;
}

fallible filter_add_rules(Filter *filter, const FilterRule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = seccomp_rule_add_array(
			filter, rules[i].action, rules[i].number, rules[i].count, rules[i].arguments);
		if (result < 0 && result != -EDOM)
			return failed(result);
	}
	return NULL;
}

/* What every program calls. By name: what an architecture has not is left out. */
static const char *const basic[] = {
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

fallible filter_add_memory_and_threads(Filter *filter)
{
	const FilterRule rules[] = {
		{SCMP_SYS(mmap), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(mmap2), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(mprotect), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{SCMP_SYS(clone), SCMP_ACT_ALLOW, 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)}},
		{SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS), 0, {}},
	};

	TRY(filter_add_names(filter, SCMP_ACT_ALLOW, basic, COUNT(basic)));
	return filter_add_rules(filter, rules, COUNT(rules));
}

/* No helper program calls these once it is in its jail: who does is an intruder. */
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

fallible filter_add_deadly(Filter *filter)
{
	return filter_add_names(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
}

#ifdef KEDGE_SANITIZED
/* Finding leaks takes a /proc that is the process's own; few jails have one. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

fallible filter_load(Filter *filter)
{
	int result = IS_SANITIZED ? 0 : seccomp_load(filter);

	return result < 0 ? error_errno(-result, "could not load the system call filter") : NULL;
}

fallible filter_enter(const char *const *names, size_t count, const FilterRule *rules, size_t rule_count)
{
	autoptr(Filter) filter = NULL;

	TRY(filter_new(&filter, SCMP_ACT_ERRNO(EPERM)));
	TRY(filter_add_names(filter, SCMP_ACT_ALLOW, names, count));
	TRY(filter_add_deadly(filter));
	TRY(filter_add_memory_and_threads(filter));
	TRY(filter_add_rules(filter, rules, rule_count));
	return filter_load(filter);
}
