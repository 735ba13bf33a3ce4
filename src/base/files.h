// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A small layer of file operations relative to a directory descriptor (AT_FDCWD is fine): whole-file reads with a
 * bound, atomic and durable replacement, trees. All descriptors are O_CLOEXEC. "durable" functions fsync file and
 * directory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

fallible file_read(char **ret, size_t *ret_length, int dir, const char *path,
	size_t max); /* NUL-terminated; ret_length may be NULL */
fallible file_read_fd(char **ret, size_t *ret_length, int fd, const char *name, size_t max);
/* Writes to a temporary beside it, renames over. Not synced: for files that may be lost at a power cut. */
fallible file_replace(int dir, const char *path, const void *data, size_t length, mode_t mode);
/* The same, with fsync of the file before and of the directory after the rename. */
fallible file_replace_durable(int dir, const char *path, const void *data, size_t length, mode_t mode);
/* Writes into a kernel file (cgroup, sysctl) in one write(2). */
fallible file_poke(int dir, const char *path, const char *text);
fallible file_open(int *ret_fd, int dir, const char *path, int flags, mode_t mode);
fallible file_write_all(int fd, const void *data, size_t length, const char *name);
bool file_exists(int dir, const char *path);
fallible file_unlink(int dir, const char *path); /* absent is fine */
fallible file_rename_durable(
	int from_dir, const char *from, int to_dir, const char *to); /* fsync of to's parent after */
fallible file_sync_dir(int dir, const char *path);
fallible file_sync_filesystem(int dir, const char *path); /* syncfs */

fallible dir_make(int dir, const char *path, mode_t mode);     /* an existing directory is fine */
fallible dir_make_all(int dir, const char *path, mode_t mode); /* with parents */
fallible dir_open(int *ret_fd, int dir, const char *path);
/* Renames each entry of dir/path into the directory to, of the same file system, and removes dir/path, which is
 * not a link. Names that are taken there stay as they are, and ours is dropped. Durable: the entries are on the disk
 * before dir/path goes. */
fallible dir_move_all(int dir, const char *path, int to);
/* As open(2) after a chroot(2) to root: no link leads out of it, whatever somebody renames there meanwhile, and no link
 * of /proc is followed. A descriptor, or -1 and errno; "" is the root. */
int open_inside(int root, const char *path, int flags);
/* Calls visit for each entry but "." and ".."; stops at the first error. */
fallible dir_each(int dir, const char *path,
	Error *(*visit)(void *arg, int dir_fd, const char *name, unsigned char type), void *arg);
/* Removes what replacements in this directory left that a crash or a power cut interrupted: for who alone replaces
 * files there, before it begins. */
fallible dir_remove_temporaries(int dir, const char *path);
/* Removes a tree without following links or crossing mounts; absent is fine. Depth is handled without recursion limits.
 */
fallible tree_remove(int dir, const char *path);
fallible tree_size(int64_t *ret_bytes, int dir, const char *path); /* apparent size of regular files, hard links once */
char *path_join(const char *a, const char *b);
