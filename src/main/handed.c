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

/* ---- the socket ---- */

static int64_t read_variable(const char *name)
{
	const char *text = getenv(name);
	int64_t number = 0;

	if (text)
		error_free(string_to_int64(&number, text, 0, INT32_MAX)); /* of no use: as if it were not there */
	unsetenv(name);
	return number;
}

static bool listens_at(int fd, const char *path)
{
	struct sockaddr_un address = {0};
	socklen_t length = sizeof(address), value_length = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &value_length) < 0 || !listens)
		return false;
	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 || address.sun_family != AF_UNIX)
		return false;
	return string_equal(address.sun_path, path) && file_exists(AT_FDCWD, path);
}

/* One that has another address than is wanted by now is closed: who waits at it is refused, as if nobody had listened.
 */
static int take_handed(const char *path)
{
	int64_t count = read_variable("LISTEN_FDS"), pid = read_variable("LISTEN_PID");
	int found = -1;

	unsetenv("LISTEN_FDNAMES");
	if (pid != getpid() || count > FDS_MAX)
		return -1;
	for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
		if (found < 0 && listens_at(fd, path))
			found = fd;
		else
			close(fd);
	}
	return found;
}

fallible handed_listen(int *ret_fd, const char *path, const char *group)
{
	int fd = take_handed(path);

	if (fd < 0)
		return http_listen_unix(ret_fd, path, group);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	*ret_fd = fd;
	return NULL;
}

/* Another HUP waits until the next program has a handler for it. */
static void hold_back_hup(void)
{
	sigset_t hup;

	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
}

fallible handed_over(int listen_fd, const char *program, char *const *argv)
{
	autofree char *pid = string_printf("%d", (int)getpid());

	if (listen_fd == FIRST_FD ? fcntl(listen_fd, F_SETFD, 0) < 0 : dup2(listen_fd, FIRST_FD) < 0)
		return error_errno(errno, "could not hand the socket over");
	setenv("LISTEN_FDS", "1", true);
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
