// SPDX-License-Identifier: Apache-2.0
#include "pack/filter.h"

#include <errno.h>
#include <fcntl.h>

#include "base/memory.h"
#include "jail/filter.h"

static const char *const allowed[] = {
	"openat2",
	"close",
	"read",
	"write",
	"writev",
	"pread64",
	"lseek",
	"_llseek",
	"fstat",
	"fstat64",
	"fstatfs",
	"fstatfs64",
	"fstatat64",
	"newfstatat",
	"statx",
	"faccessat",
	"faccessat2",
	"readlinkat",
	"getdents64",
	"getdents",
	"fgetxattr",
	"flistxattr",
	"fcntl",
	"fcntl64",
};

static const FilterRule restricted[] = {
	{SCMP_SYS(openat), SCMP_ACT_ALLOW, 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
};

#ifdef KEDGE_SANITIZED
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

Error *pack_filter_load(void)
{
	autoptr(Filter) filter = NULL;

	if (IS_SANITIZED)
		return NULL; /* the sanitizers' runtime calls what it likes */
	TRY(filter_new(&filter, SCMP_ACT_ERRNO(EPERM)));
	TRY(filter_add_names(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed)));
	TRY(filter_add_deadly(filter));
	TRY(filter_add_memory_and_threads(filter));
	TRY(filter_add_rules(filter, restricted, COUNT(restricted)));
	return filter_load(filter);
}
