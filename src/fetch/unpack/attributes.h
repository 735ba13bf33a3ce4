// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Owner, mode, extended attributes and times of what was just made. Of extended attributes, user.* (but for
 * user.overlay.*, which is overlayfs's own) and security.capability are set; all others (trusted.*, system.*,
 * security.selinux, ...) belong to the machine that the archive was made on and are dropped without a word, as are
 * those of anything but files and directories, and all of them where the file system takes none.
 */
#include <stdbool.h>

#include "base/error.h"
#include "fetch/unpack/tar.h"

/* Made with the entry's mode by a process whose group is 0; inherits_group: in a set-group-id directory. */
fallible attributes_set_file(int file, const TarEntry *entry, bool inherits_group);
fallible attributes_set_directory(int directory, const TarEntry *entry);
/* Links, devices, fifos: by name, which is not followed. */
fallible attributes_set_other(int parent, const char *name, const TarEntry *entry);
