// SPDX-License-Identifier: Apache-2.0
#include "pack/filter.h"

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

Error *pack_filter_load(void)
{
	return filter_enter(allowed, COUNT(allowed), restricted, COUNT(restricted));
}
