// SPDX-License-Identifier: Apache-2.0
#include "jail/user.h"

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <unistd.h>

fallible jail_user_find(const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *entry = getpwnam(user);

	if (!entry)
		return error_new(ERROR_NOT_FOUND, "there is no user \"%s\"", user);
	if (entry->pw_uid == 0)
		return error_new(ERROR_INVALID, "user \"%s\" is root", user);
	*ret_uid = entry->pw_uid;
	*ret_gid = entry->pw_gid;
	return NULL;
}

static fallible become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_errno(errno, "could not become user %u", (unsigned)uid);
	return NULL;
}

fallible jail_user_lower(uid_t uid, gid_t gid, const ConfineLimit *limits, size_t count)
{
	TRY(confine_limits(limits, count));
	TRY(confine_bounding(0));
	TRY(become(uid, gid));
	return confine_capabilities(0);
}

fallible jail_user_enter(const char *user, const ConfineLimit *limits, size_t count)
{
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	__nss_configure_lookup("passwd", "files");
	TRY(jail_user_find(user, &uid, &gid));
	return jail_user_lower(uid, gid, limits, count);
}
