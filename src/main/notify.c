// SPDX-License-Identifier: Apache-2.0
#include "main/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/strings.h"

static bool find_manager(struct sockaddr_un *ret, socklen_t *ret_length)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(ret->sun_path))
		return false;
	memcpy(ret->sun_path, path, strlen(path));
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (*path == '@')
		ret->sun_path[0] = '\0';
	return true;
}

/* Nobody listens: nobody needs to know. */
static void send_message(struct msghdr *message, const char *state)
{
	struct iovec text = {.iov_base = (char *)state, .iov_len = strlen(state)};
	struct sockaddr_un address;
	autofd fd = -1;

	if (!find_manager(&address, &message->msg_namelen))
		return;
	message->msg_name = &address;
	message->msg_iov = &text;
	message->msg_iovlen = 1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendmsg(fd, message, MSG_NOSIGNAL);
}

void notify(const char *state)
{
	send_message(&(struct msghdr){0}, state);
}

void notify_store(int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr message = {.msg_control = control.space, .msg_controllen = sizeof(control.space)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	send_message(&message, "FDSTORE=1\nFDNAME=api");
}

static Source *watchdog_timer;
static int64_t watchdog_every_ns;

static void watchdog_fired(void *arg)
{
	(void)arg;
	notify("WATCHDOG=1");
	source_rearm(watchdog_timer, watchdog_every_ns);
}

fallible notify_watchdog(Source **ret, Loop *loop)
{
	const char *text = getenv("WATCHDOG_USEC");
	int64_t microseconds = 0;

	*ret = NULL;
	if (!text)
		return NULL;
	TRY_WRAP(string_to_int64(&microseconds, text, 1, INT64_MAX / 2000), "WATCHDOG_USEC");
	watchdog_every_ns = microseconds * 1000 / 2;
	TRY(loop_timer(&watchdog_timer, loop, 0, watchdog_fired, NULL));
	*ret = watchdog_timer;
	return NULL;
}
