// SPDX-License-Identifier: Apache-2.0
#pragma once
/* kedge-unpack's end of the connection (fetch/unpack_wire.h): hears what to unpack, enters the jail, unpacks, tells
 * what came of it. */
#include "base/error.h"

/* Returns when all is told, also that it failed. An error: kedged is gone or talks nonsense, and nobody is there to be
 * told. */
fallible unpack_serve(int take_socket);
