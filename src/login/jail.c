// SPDX-License-Identifier: Apache-2.0
#include "login/jail.h"

#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/user.h"

/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	"close", "read", "fstat", "fstat64", "newfstatat", "write", /* the log */
};

fallible login_jail_enter(void)
{
	const ConfineLimit limits[] = {{RLIMIT_CORE, 0}};

	TRY(jail_user_enter("nobody", limits, COUNT(limits)));
	return filter_enter(allowed, COUNT(allowed), NULL, 0);
}
