// SPDX-License-Identifier: Apache-2.0
/* kedge-pack's filter by its effect: each call by its number, with harmless arguments, in a process of its own. */
#include "pack/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

typedef struct Call {
	const char *name;
	long number;
	long arguments[4];
} Call;

#define CALL(name, ...)                                                                                                \
	{                                                                                                              \
#name, SYS_##name,                                                                                     \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

/* How a process ends that makes the call behind the filter: minus the signal, or errno. */
static int ends(const Call *call)
{
	const long *a = call->arguments;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (pack_filter_load())
			_exit(255);
		_exit(syscall(call->number, a[0], a[1], a[2], a[3]) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void expect(const Call *calls, size_t count, int wanted)
{
	for (size_t i = 0; i < count; i++) {
		int end = ends(&calls[i]);
		if (end != wanted)
			print_error("%s ended with %d\n", calls[i].name, end);
		assert_int_equal(end, wanted);
	}
}

static void what_an_intruder_does_ends_it(void **state)
{
	static const Call calls[] = {CALL(execve), CALL(execveat, -1), CALL(ptrace, -1), CALL(process_vm_readv),
		CALL(process_vm_writev), CALL(kill, 0x7fffffff), CALL(tkill, 0x7fffffff), CALL(mount), CALL(umount2),
		CALL(pivot_root), CALL(chroot), CALL(fsopen), CALL(fsmount, -1), CALL(move_mount, -1),
		CALL(open_tree, -1), CALL(mount_setattr, -1), CALL(unshare, -1), CALL(setns, -1), CALL(bpf, -1),
		CALL(perf_event_open), CALL(keyctl, -1), CALL(add_key), CALL(request_key), CALL(init_module),
		CALL(finit_module, -1), CALL(kexec_load, -1), CALL(io_uring_setup), CALL(userfaultfd, -1),
		CALL(pidfd_getfd, -1), CALL(open_by_handle_at, -1), CALL(setuid, -1), CALL(setresuid, -1, -1, -1),
		CALL(setgid, -1), CALL(setresgid, -1, -1, -1), CALL(setgroups, -1), CALL(capset)};

	(void)state;
	expect(calls, sizeof(calls) / sizeof(calls[0]), -SIGSYS);
}

static void what_it_does_not_need_is_refused(void **state)
{
	static const char nothing[] = "/nothing/there";
	const long path = (long)nothing;
	const Call calls[] = {CALL(socket, 1, 1), CALL(connect, -1), CALL(ioctl, -1), CALL(unlinkat, -1, path),
		CALL(renameat2, -1, path, -1, path), CALL(mkdirat, -1, path), CALL(mknodat, -1, path),
		CALL(linkat, -1, path, -1, path), CALL(symlinkat, path, -1, path), CALL(fchown, -1), CALL(fchmod, -1),
		CALL(fchownat, -1, path), CALL(fchmodat, -1, path), CALL(fsetxattr, -1), CALL(ftruncate, -1),
		CALL(utimensat, -1, path), CALL(fchdir, -1), CALL(dup3, -1, -1), CALL(memfd_create, path),
		CALL(prctl, -1), CALL(setrlimit, -1), CALL(clone, SIGCHLD),
		CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS),
		CALL(openat, AT_FDCWD, path, O_WRONLY), CALL(openat, AT_FDCWD, path, O_RDWR),
		CALL(openat, AT_FDCWD, path, O_RDONLY | O_CREAT), CALL(openat, AT_FDCWD, path, O_RDONLY | O_TRUNC)};

	(void)state;
	expect(calls, sizeof(calls) / sizeof(calls[0]), EPERM);
}

static void files_are_read(void **state)
{
	const Call calls[] = {CALL(openat, AT_FDCWD, (long)"/", O_RDONLY | O_DIRECTORY), CALL(brk), CALL(getpid)};

	(void)state;
	expect(calls, sizeof(calls) / sizeof(calls[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_intruder_does_ends_it),
		cmocka_unit_test(what_it_does_not_need_is_refused),
		cmocka_unit_test(files_are_read),
	};

	return cmocka_run_group_tests_name("pack-filter", tests, NULL, NULL);
}
