// SPDX-License-Identifier: Apache-2.0
#include "websocket/jail.h"

#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/user.h"

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	"close", "shutdown", "sendto", "recvfrom", "send", "recv", "poll", "ppoll", "ppoll_time64",
	"write", /* the log */
};

fallible websocket_jail_enter(const char *user)
{
	const ConfineLimit limits[] = {{RLIMIT_CORE, 0}};

	TRY(jail_user_enter(user, limits, COUNT(limits)));
	return filter_enter(allowed, COUNT(allowed), NULL, 0);
}
