// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What surrounds the process that reads untrusted archives. After jail_enter() it is alone in new mount, network, IPC
 * and UTS namespaces in which the target directory is the root and nothing else is mounted (nosuid, nodev, noexec); its
 * capabilities are those that unpacking takes; it can start no program and no other process, open no socket, mount
 * nothing and trace nobody. What it holds open besides stays as it is: the caller closes directories that lie outside.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* As root, with one thread. Takes directory and closes it; *ret_root is the same directory seen from inside.
 * max_file_bytes: RLIMIT_FSIZE. */
fallible jail_enter(int *ret_root, int take_directory, int64_t max_file_bytes);
/*
 * The same around a container's root file system, with what is mounted there: root is its directory, or where
 * is_described, a file that says what to mount (base/rootfs.h). path must be a directory in it that may be written to:
 * ERROR_NOT_FOUND, ERROR_INVALID, ERROR_FORBIDDEN in Docker's words.
 */
fallible jail_enter_container(
	int *ret_root, int take_root, bool is_described, const char *path, int64_t max_file_bytes);
