// SPDX-License-Identifier: Apache-2.0
/* Apart from confine.c: the shim needs this, and is linked with a C library that knows less of mounts. */
#include <errno.h>
#include <sys/prctl.h>

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
