// SPDX-License-Identifier: Apache-2.0
#include "pack/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/confine.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"

/* A tree may be as deep and have as many hard links as somebody likes; what is remembered of it may not. */
#define MEMORY_MAX ((rlim_t)1 << 30)

static const uint64_t rights_kept = UINT64_C(1) << CAP_DAC_READ_SEARCH;

Error *view_open(int *ret_root, const char *directory)
{
	return dir_open(ret_root, AT_FDCWD, directory);
}

/* The overlay has no upper directory, so that a container that starts meanwhile is not in its way. It lies over the
 * directory itself, which no one else sees. */
Error *view_open_stacked(int *ret_root, const char *directory, const char *lower)
{
	autoclear(Buffer) options = {.limit = (size_t)sysconf(_SC_PAGESIZE) - 1};

	buffer_add_text(&options, "lowerdir=");
	buffer_add_escaped(&options, directory, OVERLAY_SEPARATORS);
	buffer_printf(&options, ":%s,index=off,metacopy=off", lower);
	if (buffer_overflown(&options))
		return error_new(ERROR_INVALID, "the image has too many layers to be mounted on one another");
	TRY(confine_mounts());
	if (mount("overlay", directory, "overlay", MS_RDONLY, buffer_text(&options)) < 0)
		return error_errno(errno, "could not mount the container's root file system");
	return view_open(ret_root, directory);
}

/* Over the topmost one. A single layer is what it shows. */
Error *view_open_lower(int *ret_root, const char *lower)
{
	autofree char *options = string_printf("lowerdir=%s,index=off,metacopy=off", lower);
	autofree char *topmost = mem_strndup(lower, strcspn(lower, ":"));

	if (!*topmost) {
		*ret_root = -1;
		return NULL;
	}
	if (strlen(topmost) == strlen(lower))
		return view_open(ret_root, topmost);
	if (strlen(options) >= (size_t)sysconf(_SC_PAGESIZE))
		return error_new(ERROR_INVALID, "the image has too many layers to be mounted on one another");
	TRY(confine_mounts());
	if (mount("overlay", topmost, "overlay", MS_RDONLY, options) < 0)
		return error_errno(errno, "could not mount the image's layers");
	return view_open(ret_root, topmost);
}

static fallible limit(void)
{
	static const ConfineLimit limits[] = {
		{RLIMIT_CORE, 0},
#ifndef KEDGE_SANITIZED /* whose runtime maps terabytes */
		{RLIMIT_AS, MEMORY_MAX},
#endif
	};

	return confine_limits(limits, sizeof(limits) / sizeof(limits[0]));
}

Error *view_restrict(void)
{
	TRY(limit());
	TRY(confine_bounding(rights_kept));
	return confine_capabilities(rights_kept);
}

Error *view_enter(int root)
{
	if (fchdir(root) < 0 || chroot(".") < 0)
		return error_errno(errno, "could not make the tree the root directory");
	return view_restrict();
}
