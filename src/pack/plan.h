// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An archive of files that lie in one directory, under other names, and of texts that lie nowhere: what an image
 * archive is made of. The plan is text:
 *
 *   directory PATH\n
 *   file PATH NAME\n             NAME is in the directory
 *   text PATH LENGTH\n<bytes>\n  the bytes are the content
 *
 * PATH and NAME hold no white space. Times are 1970, so that equal plans give equal archives.
 */
#include "pack/tar.h"

enum { PLAN_MAX = 64 << 20 };

/* plan is taken apart in place. */
fallible pack_plan(TarOut *out, int directory, char *plan, size_t length);
