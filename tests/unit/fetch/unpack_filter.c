// SPDX-License-Identifier: Apache-2.0
/* The jail's filter by its effect: each call in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "fetch/unpack/jail_filter.h"

typedef int Probe(void);

/* How a process ends that calls probe behind the filter: minus the signal, or the exit status. */
static int ends(Probe *probe)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(jail_filter_load() ? 100 : probe());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int exec_probe(void)
{
	char name[] = "true", *argv[] = {name, NULL};
	return execv("/bin/true", argv);
}

static int socket_probe(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int mount_probe(void)
{
	return mount("/", "/", NULL, MS_BIND, NULL);
}

static int ptrace_probe(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int fork_probe(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static int unshare_probe(void)
{
	return unshare(CLONE_NEWUSER);
}

static int kill_probe(void)
{
	return kill(getppid(), 0);
}

static int chroot_probe(void)
{
	return chroot("/");
}

static int handle_probe(void)
{
	return (int)syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0);
}

static int open_probe(void)
{
	return (int)syscall(SYS_setns, 0, 0);
}

static int bpf_probe(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int uring_probe(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int exec_memory_probe(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int rename_probe(void)
{
	return rename("/nothing", "/nothing-else");
}

static int ioctl_probe(void)
{
	return (int)syscall(SYS_ioctl, 0, 0, 0);
}

static void test_killed(void **state)
{
	static Probe *const probes[] = {exec_probe, socket_probe, mount_probe, ptrace_probe, fork_probe, unshare_probe,
		kill_probe, chroot_probe, handle_probe, open_probe, bpf_probe, uring_probe, exec_memory_probe,
		rename_probe, ioctl_probe};

	(void)state;
	for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
		int end = ends(probes[i]);
		if (end != -SIGSYS)
			print_error("probe %zu ended with %d\n", i, end);
		assert_int_equal(end, -SIGSYS);
	}
}

static int clone3_probe(void)
{
	return syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS ? 7 : 1;
}

static void *thread_main(void *arg)
{
	return arg;
}

static int thread_probe(void)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, thread_main, NULL);

	return result == 0 && pthread_join(thread, NULL) == 0 ? 7 : 1;
}

static int files_probe(void)
{
	int fd = openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);

	return fd >= 0 && close(fd) == 0 && malloc(1 << 22) ? 7 : 1;
}

static void test_allowed(void **state)
{
	(void)state;
	assert_int_equal(ends(clone3_probe), 7);
	assert_int_equal(ends(thread_probe), 7);
	assert_int_equal(ends(files_probe), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests_name("unpack-filter", tests, NULL, NULL);
}
