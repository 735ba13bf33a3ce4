// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedge-pack may call once the tree is its root: it reads files and writes what it was handed. Everything else is
 * refused, and what only an intruder does ends it. (openat2(2) takes its flags through memory, where no filter sees
 * them: it stays for the sake of mounts that a tree is not to cross.)
 */
#include "base/error.h"

fallible pack_filter_load(void);
