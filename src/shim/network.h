// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a shim is handed of the network: the container's namespace, and bound sockets that keep its ports from others.
 * The sockets stay open as long as the shim lives; nothing that it starts has them.
 */
#include "base/error.h"
#include "shim/settings.h"

void network_adopt(const ShimSettings *settings); /* first of all: nothing is inherited from here on */
/* What is started from here on has the namespace. */
fallible network_enter(const ShimSettings *settings);
/* The container has ended: who hears of it may want its ports at once. */
void network_release(const ShimSettings *settings);
