// SPDX-License-Identifier: Apache-2.0
#include "main/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/strings.h"

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length;
	autofd fd = -1;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) /* nobody listens: nobody needs to know */
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, length);
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
