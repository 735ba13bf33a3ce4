// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * File systems as the local driver's options describe them: "type", "device" and "o", the words of mount(8) as
 * Docker reads them: what is no flag is the file system's own to read. A name behind addr= of nfs and cifs is looked
 * up, since the kernel does not. Mounting and unmounting may take as long as another machine likes.
 */
#include <stdbool.h>

#include "base/error.h"

/* Errors never show o, which may hold a password. */
fallible volume_mount(const char *path, const char *type, const char *device, const char *o);
fallible volume_unmount(const char *path); /* not mounted is fine */
bool volume_is_mounted(const char *path);
