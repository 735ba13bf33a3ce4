// SPDX-License-Identifier: Apache-2.0
#include "jail/user.h"

#include <errno.h>
#include <grp.h>
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

fallible jail_user_become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_errno(errno, "could not become user %u", (unsigned)uid);
	return NULL;
}
