// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "fetch/unpack/branch.h"
#include "fetch/unpack/opaque.h"

void opaque_init(OpaqueSet *set, int root)
{
	*set = (OpaqueSet){.root = root, .seen = table_new()};
}

void opaque_clear(OpaqueSet *set)
{
	set->seen = table_free(set->seen);
	strings_clear(&set->paths);
}

/* The kernel's own word for where a directory is; the C library's would look for it with "..". */
static fallible real_path(char ret[PATH_MAX], int directory)
{
	if (fchdir(directory) < 0 || syscall(SYS_getcwd, ret, PATH_MAX) < 0)
		return error_errno(errno, "could not find the path of an opaque directory");
	return NULL;
}

Error *opaque_add(OpaqueSet *set, int directory)
{
	char path[PATH_MAX], top[PATH_MAX];
	const char *relative;

	TRY(real_path(path, directory));
	TRY(real_path(top, set->root));
	relative = path + (string_equal(top, "/") ? 0 : strlen(top));
	relative = *relative == '/' ? relative + 1 : relative;
	relative = *relative ? relative : ".";
	if (table_get(set->seen, relative))
		return NULL;
	if (set->paths.count == OPAQUE_MAX)
		return error_new(ERROR_TOO_LARGE, "layer has more than %d opaque directories", OPAQUE_MAX);
	table_set(set->seen, relative, set);
	strings_add(&set->paths, relative);
	return NULL;
}

void opaque_settle(OpaqueSet *set)
{
	for (size_t i = set->paths.count; i > 0; i--) {
		autofd directory = open_beneath(set->root, set->paths.items[i - 1], OPEN_DIRECTORY_NO_LINKS);
		if (directory < 0)
			strings_remove(&set->paths, i - 1);
	}
}
