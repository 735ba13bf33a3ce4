// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What kedge-fetch does between its start and its end: takes requests from the channel (fetch/wire.h), carries them
 * out, answers. */
#include "base/error.h"
#include "base/loop.h"
#include "fetch/registry/trust.h"

/* Returns when the other side has closed the channel. trust is borrowed. */
fallible session_run(Loop *loop, int take_socket, Trust *trust);
