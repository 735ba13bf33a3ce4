// SPDX-License-Identifier: Apache-2.0
#include "login/jail.h"

#include <errno.h>
#include <nss.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/memory.h"
#include "jail/filter.h"
#include "jail/user.h"

#ifndef KEDGE_SANITIZED /* whose runtime calls what it likes */
/* By name: what an architecture has not is left out. */
static const char *const allowed[] = {
	"close", "read", "fstat", "fstat64", "newfstatat", "write", /* the log */
};
#endif

static fallible load_filter(void)
{
#ifndef KEDGE_SANITIZED
	autoptr(Filter) filter = NULL;

	TRY(filter_new(&filter, SCMP_ACT_ERRNO(EPERM)));
	TRY(filter_add_names(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed)));
	TRY(filter_add_deadly(filter));
	TRY(filter_add_memory_and_threads(filter));
	TRY(filter_load(filter));
#endif
	return NULL;
}

#ifdef KEDGE_SANITIZED
/* Finding leaks takes a /proc that is the process's own. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

fallible login_jail_enter(void)
{
	const ConfineLimit limits[] = {{RLIMIT_CORE, 0}};
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	__nss_configure_lookup("passwd", "files");
	TRY(jail_user_find("nobody", &uid, &gid));
	TRY(confine_limits(limits, COUNT(limits)));
	TRY(confine_bounding(0));
	TRY(jail_user_become(uid, gid));
	TRY(confine_capabilities(0));
	return load_filter();
}
