// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Bytes of a file into an archive. A file that became shorter meanwhile is filled with zeros: the header has spoken. */
#include "pack/tar.h"

fallible content_copy(TarOut *out, int fd, int64_t offset, int64_t length, const char *path);
