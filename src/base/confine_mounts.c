// SPDX-License-Identifier: Apache-2.0
/* Apart from confine.c, as confine_rights.c. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/confine.h"

static fallible enter_namespaces(int namespaces, unsigned long propagation)
{
	if (unshare(namespaces) < 0)
		return error_errno(errno, "could not make new namespaces");
	if (mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0)
		return error_errno(errno, "could not separate mounts from the host's");
	return NULL;
}

fallible confine_namespaces(int others)
{
	return enter_namespaces(CLONE_NEWNS | others, MS_PRIVATE);
}

fallible confine_mounts(void)
{
	return enter_namespaces(CLONE_NEWNS, MS_SLAVE);
}
