// SPDX-License-Identifier: Apache-2.0
/* Apart from confine.c: the shim needs this, and is linked with a C library that knows less of mounts. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"

enum { CAPABILITIES_MAX = 64 };

Error *confine_bounding(uint64_t kept)
{
	for (int number = 0; number < CAPABILITIES_MAX; number++) {
		int is_held = prctl(PR_CAPBSET_READ, number, 0, 0, 0);
		if (is_held < 0)
			return NULL; /* the kernel knows no more */
		if (is_held && !(kept >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
			return error_errno(errno, "could not drop capability %d", number);
	}
	return NULL;
}

Error *confine_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {
		{.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
		{.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)},
	};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* empty anyway once inheritable is */
	if (syscall(SYS_capset, &header, sets) < 0)
		return error_errno(errno, "could not drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(errno, "could not give up new privileges");
	return NULL;
}
