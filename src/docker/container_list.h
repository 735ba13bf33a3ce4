// SPDX-License-Identifier: Apache-2.0
#pragma once
/* GET /containers/json: straight from the engine's memory into the answer, for a thousand containers as for one. */
#include "http/server.h"

void list_containers(HttpRequest *request, void *context);
