// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One try of a download: what an earlier process left is hashed, the rest asked for by range, and what comes is hashed
 * and written as it comes. Nothing that the registry says is believed: positions, lengths and the digest are checked,
 * and no byte is written beyond the size of the descriptor.
 */
#include "fetch/registry/transfer.h"

void download_begin(Transfer *transfer);
void download_forget(Transfer *transfer); /* the next try begins with nothing */
