// SPDX-License-Identifier: Apache-2.0
#pragma once
/* POST /networks/create, and its body, for those that look at it alone. */
#include "engine/network.h"
#include "http/server.h"

/* Errors name the field; what Docker knows and kedge does not do is refused by name. */
fallible network_body_read(NetworkSpec *ret, const Value *body);
void create_network(HttpRequest *request, void *context);
