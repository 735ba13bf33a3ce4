// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/socket.h"
#include "http/server.h"

enum { LISTEN_BACKLOG = 4096, MODE_OF_GROUP = 0660, MODE_OF_ROOT = 0600, LIVE_WAIT_MS = 2000, LIVE_STEP_MS = 10 };

static bool is_live(const struct sockaddr_un *address, int fd)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
}

static fallible look_for_server(bool *ret, const struct sockaddr_un *address)
{
	autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	*ret = is_live(address, fd);
	return NULL;
}

/* A socket that somebody answers on is in use; one that nobody does was left by a server that was killed. A child of
 * that one between fork and exec still listens: for milliseconds. */
static fallible refuse_live(const struct sockaddr_un *address)
{
	const struct timespec step = {.tv_nsec = LIVE_STEP_MS * NANOS_PER_MILLI};
	bool is_there;

	TRY(look_for_server(&is_there, address));
	for (int waited = 0; is_there && waited < LIVE_WAIT_MS; waited += LIVE_STEP_MS) {
		nanosleep(&step, NULL);
		TRY(look_for_server(&is_there, address));
	}
	if (is_there)
		return error_new(ERROR_CONFLICT, "socket \"%s\" is in use by another server", address->sun_path);
	return NULL;
}

/* The mode is right from the first moment on: nobody can connect in between. */
static fallible bind_address(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before = umask(0777 & ~mode);
	int failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(before);
	if (failed)
		return error_errno(errno, "could not bind socket \"%s\"", address->sun_path);
	return NULL;
}

/* By /etc/group alone: another module of nsswitch.conf would stay in memory, 0.4 MB of systemd's. Confined programs are
 * of root's group (kedge-log, for the logs): that one may not use it. */
static const struct group *find_group(const char *name)
{
	__nss_configure_lookup("group", "files");
	const struct group *group = name ? getgrnam(name) : NULL;

	return group && group->gr_gid != 0 ? group : NULL;
}

fallible http_listen_unix(int *ret_fd, const char *path, const char *group)
{
	const struct group *owner = find_group(group);
	autofd fd = -1;
	struct sockaddr_un address;

	TRY(socket_address(&address, path));
	TRY(refuse_live(&address));
	TRY(file_unlink(AT_FDCWD, path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	TRY(bind_address(fd, &address, owner ? MODE_OF_GROUP : MODE_OF_ROOT));
	if (owner && lchown(path, -1, owner->gr_gid) < 0)
		return error_errno(errno, "could not give socket \"%s\" to group \"%s\"", path, group);
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return error_errno(errno, "could not listen on socket \"%s\"", path);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static void remove_dead(const struct sockaddr_un *address)
{
	autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat status;

	if (fd < 0 || *address->sun_path != '/' || lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return;
	if (!is_live(address, fd))
		error_free(file_unlink(AT_FDCWD, address->sun_path)); /* who connects is refused in any case */
}

/* Others may have the same socket open: a service manager keeps it. */
void http_listen_end(int take_fd)
{
	struct sockaddr_un address = {0};
	socklen_t length = sizeof(address) - 1; /* a path may fill it without an end */
	bool is_unix = getsockname(take_fd, (struct sockaddr *)&address, &length) == 0 && address.sun_family == AF_UNIX;

	shutdown(take_fd, SHUT_RDWR);
	close(take_fd);
	if (is_unix)
		remove_dead(&address);
}
