// SPDX-License-Identifier: Apache-2.0
/*
 * Makes every system call, each in a child of its own with arguments that can do no harm, and prints how it was
 * answered: "x86_64 165 EPERM". Also through the i386 door (int 0x80) and with x32 numbers, and with the argument
 * values that the profile looks at. Two filters are equal when their tables are. Static, so that it runs in any root.
 *
 * With -1 for each argument a call that the filter lets through fails in the kernel at the first look (EBADF, EFAULT,
 * EINVAL); "allowed" is printed for all but EPERM and ENOSYS, whose origin cannot be told. Pairs of tables that differ
 * in the filter alone are still comparable, since the rest of the environment is the same.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NUMBERS = 600, X32_BIT = 0x40000000, CHILD_TIME_MS = 2000, STUCK = 2000, ENDED = 2001 };

typedef long Door(long number, long first);

static long by_syscall(long number, long first)
{
	return syscall(number, first, -1L, -1L, -1L, -1L, -1L) < 0 ? -errno : 0;
}

#if defined(__x86_64__)
static long by_x32(long number, long first)
{
	return by_syscall(number | X32_BIT, first);
}

static long by_i386(long number, long first)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(-1L), "d"(-1L), "S"(-1L), "D"(-1L)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}
#endif

static const struct {
	const char *name;
	Door *call;
	int exit, exit_group, fork, vfork, pause, rt_sigreturn, sigreturn, kill, reboot;
} doors[] = {
#if defined(__x86_64__)
	{"x86_64", by_syscall, SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_pause, SYS_rt_sigreturn, -1, SYS_kill,
		SYS_reboot},
	{"i386", by_i386, 1, 252, 2, 190, 29, 173, 119, 37, 88},
	{"x32", by_x32, SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_pause, 513, -1, SYS_kill, SYS_reboot},
#else
	{"native", by_syscall, SYS_exit, SYS_exit_group, -1, -1, -1, SYS_rt_sigreturn, -1, SYS_kill, SYS_reboot},
#endif
};

/* The child's verdict, as an errno, or that it ended or hung in the call (which only an allowed one can do). */
static int probe(Door *call, long number, long first)
{
	int ends[2], verdict = ENDED;
	struct pollfd wait;

	if (pipe(ends) < 0)
		exit(2);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		setpgid(0, 0);
		int result = (int)-call(number, first);
		if (write(ends[1], &result, sizeof(result)) != sizeof(result))
			_exit(3);
		_exit(0);
	}
	close(ends[1]);
	wait = (struct pollfd){.fd = ends[0], .events = POLLIN};
	if (poll(&wait, 1, CHILD_TIME_MS) == 0)
		verdict = STUCK;
	else if (read(ends[0], &verdict, sizeof(verdict)) != sizeof(verdict))
		verdict = ENDED;
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ends[0]);
	return verdict;
}

static const char *word(int verdict)
{
	if (verdict == EPERM)
		return "EPERM";
	return verdict == ENOSYS ? "ENOSYS" : "allowed";
}

/* Calls that take no pointer or descriptor and would do what they are for, or end the child. */
static int is_left_out(size_t door, long number)
{
	const int left_out[] = {doors[door].exit, doors[door].exit_group, doors[door].fork, doors[door].vfork,
		doors[door].pause, doors[door].rt_sigreturn, doors[door].sigreturn, doors[door].kill,
		doors[door].reboot};

	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (left_out[i] == number)
			return 1;
	return 0;
}

static void probe_numbers(size_t door)
{
	for (long number = 0; number < NUMBERS; number++)
		if (!is_left_out(door, number))
			printf("%s %ld %s\n", doors[door].name, number, word(probe(doors[door].call, number, -1)));
}

/* The arguments that decide. */
static void probe_arguments(void)
{
	static const long families[] = {0, 1, 2, 10, 16, 17, 37, 38, 39, 40, 41, 44};
	static const long personalities[] = {0, 1, 8, 0x20000, 0x20008, 0x40000, 0x0400000, 0xffffffff};
	static const long clone_flags[] = {
		0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x10000};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		printf("socket %ld %s\n", families[i], word(probe(by_syscall, SYS_socket, families[i])));
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		printf("personality %#lx %s\n", personalities[i],
			word(probe(by_syscall, SYS_personality, personalities[i])));
	/* 0x10000 is CLONE_THREAD without its companions: EINVAL from a kernel that is asked */
	for (size_t i = 0; i < sizeof(clone_flags) / sizeof(clone_flags[0]); i++)
		printf("clone %#lx %s\n", clone_flags[i], word(probe(by_syscall, SYS_clone, clone_flags[i] | 0x10000)));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++)
		probe_numbers(i);
	probe_arguments();
	return 0;
}
