// SPDX-License-Identifier: Apache-2.0
#include "base/member.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/files.h"

enum { GROUPS_MAX = 64 << 10 };

bool member_of(const char *group, int dir, const char *process)
{
	autofree char *path = path_join(process, "cgroup"), *text = NULL;
	Error *error = file_read(&text, NULL, dir, path, GROUPS_MAX);
	const char *at = error ? NULL : strstr(text, group);
	char after = at ? at[strlen(group)] : 'x';

	error_free(error); /* it has ended */
	return after == '\n' || after == '/';
}
