// SPDX-License-Identifier: Apache-2.0
#include "main/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "http/server.h"

enum { FIRST_FD = 3, FDS_MAX = 64, STAT_MAX = 4096 };

static int memory_fd = -1;

/* ---- the sockets ---- */

static int64_t read_variable(const char *name)
{
	const char *text = getenv(name);
	int64_t number = 0;

	if (text)
		error_free(string_to_int64(&number, text, 0, INT32_MAX)); /* of no use: as if it were not there */
	unsetenv(name);
	return number;
}

static bool is_bound_to(int fd, const char *path)
{
	struct sockaddr_un address = {0};
	socklen_t length = sizeof(address) - 1; /* a path may fill it without an end */

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 || address.sun_family != AF_UNIX)
		return false;
	return string_equal(address.sun_path, path);
}

static bool listens_at(int fd, const char *path)
{
	socklen_t length = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 || !listens)
		return false;
	return is_bound_to(fd, path) && file_exists(AT_FDCWD, path);
}

static bool is_pair(int fd)
{
	int type = 0;
	socklen_t length = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static bool is_elsewhere(int fd, const HandedSocket *sockets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_bound_to(fd, sockets[i].path))
			return false;
	return true;
}

/* One that has another address than is wanted by now is closed, and its connections with it: who waits at it is
 * refused, as if nobody had listened. */
static HandedSocket *place_handed(int fd, HandedSocket *sockets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sockets[i].fd < 0 && listens_at(fd, sockets[i].path)) {
			fcntl(fd, F_SETFD, FD_CLOEXEC);
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
			sockets[i].fd = fd;
			return &sockets[i];
		}
	}
	if (is_elsewhere(fd, sockets, count))
		http_listen_end(fd);
	else
		close(fd);
	return NULL;
}

static void take_handed(HandedSocket *sockets, size_t count)
{
	int64_t handed = read_variable("LISTEN_FDS"), pid = read_variable("LISTEN_PID");
	HandedSocket *socket = NULL;

	unsetenv("LISTEN_FDNAMES");
	if (pid != getpid() || handed > FDS_MAX)
		return;
	for (int fd = FIRST_FD; fd < FIRST_FD + handed; fd++) {
		if (is_memory(fd)) {
			fcntl(fd, F_SETFD, FD_CLOEXEC);
			close_fd(&memory_fd);
			memory_fd = fd;
			continue;
		}
		if (!socket || !is_pair(fd)) {
			socket = place_handed(fd, sockets, count);
			continue;
		}
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		socket->connections_fd = fd;
		socket = NULL;
	}
}

fallible handed_listen(HandedSocket *sockets, size_t count)
{
	take_handed(sockets, count);
	for (size_t i = 0; i < count; i++)
		if (sockets[i].fd < 0)
			TRY(http_listen_unix(&sockets[i].fd, sockets[i].path, sockets[i].group));
	return NULL;
}

int handed_memory(void)
{
	return take_fd(&memory_fd);
}

/* Another HUP waits until the next program has a handler for it. */
static void hold_back_hup(void)
{
	sigset_t hup;

	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
}

/* To the numbers that the next program looks at: first away from them, so that none is overwritten by another. */
static fallible place_fds(size_t *ret_count, const int *fds, size_t count)
{
	int moved[HANDED_MAX];
	size_t placed = 0;

	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		moved[placed] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + HANDED_MAX);
		if (moved[placed++] < 0)
			return error_errno(errno, "could not hand a socket over");
	}
	for (size_t i = 0; i < placed; i++)
		if (dup2(moved[i], FIRST_FD + (int)i) < 0)
			return error_errno(errno, "could not hand a socket over");
	*ret_count = placed;
	return NULL;
}

fallible handed_over(const int *fds, size_t count, const char *program, char *const *argv)
{
	autofree char *pid = string_printf("%d", (int)getpid());

	TRY(place_fds(&count, fds, count));
	autofree char *number = string_printf("%zu", count);
	setenv("LISTEN_FDS", number, true);
	setenv("LISTEN_PID", pid, true);
	hold_back_hup();
	execv(program, argv);
	return error_errno(errno, "could not run \"%s\"", program);
}

/* ---- children ---- */

typedef struct Heir {
	List link;
	Source *source;
} Heir;

static List heirs = {&heirs, &heirs};

/* What matters of it was said elsewhere, on its socket or in its exit file. */
static void on_end(void *arg, int wait_status)
{
	Heir *heir = arg;

	(void)wait_status;
	list_remove(&heir->link);
	source_free(heir->source);
	free(heir);
}

static void reap_later(Loop *loop, pid_t pid)
{
	Heir *heir = mem_new(Heir);
	Error *error = loop_child(&heir->source, loop, pid, on_end, heir);

	if (error) {
		error_log(error, "process %d stays a zombie when it ends", (int)pid);
		free(heir);
		return;
	}
	list_append(&heirs, &heir->link);
}

/* The fourth field of /proc/PID/stat, after a name that may hold anything (proc(5)). */
static int parent_of(const char *stat)
{
	const char *end = strrchr(stat, ')');
	int parent = 0;

	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static Error *visit_process(void *arg, int dir, const char *name, unsigned char type)
{
	autofree char *path = path_join(name, "stat");
	autofree char *stat = NULL;
	int64_t pid = 0;

	(void)type;
	if (*name < '1' || *name > '9')
		return NULL;
	Error *error = string_to_int64(&pid, name, 1, INT32_MAX);
	if (!error)
		error = file_read(&stat, NULL, dir, path, STAT_MAX);
	if (!error && parent_of(stat) == getpid())
		reap_later(arg, (pid_t)pid);
	error_free(error); /* it has ended meanwhile */
	return NULL;
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* Looking through /proc takes milliseconds; a process that has just been started has nothing to find there. */
fallible handed_children(Loop *loop)
{
	if (!has_children())
		return NULL;
	return dir_each(AT_FDCWD, "/proc", visit_process, loop);
}
