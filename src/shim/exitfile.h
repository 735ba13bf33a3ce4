// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The record of how a container ended: <state>/exit, one ShimStatus. Its blocks are taken when the container starts, so
 * that a disk that has filled up since does not lose the exit status (invariant 7); it appears by rename, whole.
 */
#include <stdbool.h>

#include "base/error.h"
#include "shim/protocol.h"

fallible exitfile_prepare(int state_dir); /* an earlier start's record goes */
fallible exitfile_write(int state_dir, const ShimStatus *status);
/* *ret_found is false when there is none. A damaged one is an error. */
fallible exitfile_read(ShimStatus *ret, bool *ret_found, int state_dir);
