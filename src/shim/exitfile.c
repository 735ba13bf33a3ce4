// SPDX-License-Identifier: Apache-2.0
#include "shim/exitfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"

static const char final_name[] = "exit", reserved_name[] = "exit.new";

static fallible write_reserved(int state_dir, const ShimStatus *status)
{
	autofd fd = -1;

	TRY(file_open(&fd, state_dir, reserved_name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
	return file_write_all(fd, status, sizeof(*status), reserved_name);
}

/* An earlier start's record gives its blocks; so no file is made or replaced, which ext4 would make wait for the disk.
 */
Error *exitfile_prepare(int state_dir)
{
	ShimStatus blank = {.protocol = 0};

	if (renameat(state_dir, final_name, state_dir, reserved_name) < 0 && errno != ENOENT)
		return error_errno(errno, "could not rename \"%s\" to \"%s\"", final_name, reserved_name);
	return write_reserved(state_dir, &blank);
}

Error *exitfile_write(int state_dir, const ShimStatus *status)
{
	TRY(write_reserved(state_dir, status));
	if (renameat(state_dir, reserved_name, state_dir, final_name) < 0)
		return error_errno(errno, "could not rename \"%s\" to \"%s\"", reserved_name, final_name);
	return NULL;
}

static bool is_final(const ShimStatus *status)
{
	return status->protocol == SHIM_PROTOCOL && (status->state == SHIM_ENDED || status->state == SHIM_START_FAILED);
}

Error *exitfile_read(ShimStatus *ret, bool *ret_found, int state_dir)
{
	autofd fd = openat(state_dir, final_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ShimStatus status;

	if (fd < 0 && errno == ENOENT) {
		*ret_found = false;
		return NULL;
	}
	if (fd < 0)
		return error_errno(errno, "could not open the container's exit file");
	ssize_t count = read(fd, &status, sizeof(status));
	if (count < 0)
		return error_errno(errno, "could not read the container's exit file");
	if ((size_t)count < sizeof(status) || !is_final(&status))
		return error_new(ERROR_INTERNAL, "the container's exit file is damaged (%zd bytes)", count);
	status.error[sizeof(status.error) - 1] = '\0';
	*ret = status;
	*ret_found = true;
	return NULL;
}
