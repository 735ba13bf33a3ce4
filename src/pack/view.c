// SPDX-License-Identifier: Apache-2.0
#include "pack/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/rights.h"

/* A tree may be as deep and have as many hard links as somebody likes; what is remembered of it may not. */
#define MEMORY_MAX ((rlim_t)1 << 30)

#ifdef KEDGE_SANITIZED
/* Finding leaks takes a /proc, which the tree need not have. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

Error *view_open(int *ret_root, const char *directory)
{
	return dir_open(ret_root, AT_FDCWD, directory);
}

/* What overlay takes for separators in its options. */
static void add_escaped(Buffer *out, const char *path)
{
	for (; *path; path++) {
		if (*path == '\\' || *path == ',' || *path == ':')
			buffer_add_char(out, '\\');
		buffer_add_char(out, *path);
	}
}

static fallible leave_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(errno, "could not make a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_errno(errno, "could not separate mounts from the host's");
	return NULL;
}

/* The overlay has no upper directory, so that a container that starts meanwhile is not in its way. It lies over the
 * directory itself, which no one else sees. */
Error *view_open_stacked(int *ret_root, const char *directory, const char *lower)
{
	autoclear(Buffer) options = {.limit = (size_t)sysconf(_SC_PAGESIZE) - 1};

	buffer_add_text(&options, "lowerdir=");
	add_escaped(&options, directory);
	buffer_printf(&options, ":%s,index=off,metacopy=off", lower);
	if (buffer_overflown(&options))
		return error_new(ERROR_INVALID, "the image has too many layers to be mounted on one another");
	TRY(leave_mounts());
	if (mount("overlay", directory, "overlay", MS_RDONLY, buffer_text(&options)) < 0)
		return error_errno(errno, "could not mount the container's root file system");
	return view_open(ret_root, directory);
}

static fallible limit_memory(void)
{
#ifndef KEDGE_SANITIZED /* whose runtime maps terabytes */
	const struct rlimit limit = {MEMORY_MAX, MEMORY_MAX};

	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return error_errno(errno, "could not limit the memory");
#endif
	return NULL;
}

Error *view_restrict(void)
{
	TRY(limit_memory());
	return rights_keep(RIGHT(CAP_DAC_READ_SEARCH));
}

Error *view_enter(int root)
{
	if (fchdir(root) < 0 || chroot(".") < 0)
		return error_errno(errno, "could not make the tree the root directory");
	return view_restrict();
}
