// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Of enforcement.h, for the engine's own files. */
#include "engine/container_internal.h"
#include "engine/enforcement.h"

typedef struct Enforcement Enforcement;

Enforcement *enforcement_new(Engine *engine);
Enforcement *enforcement_free(Enforcement *enforcement);
void enforcement_begin(Enforcement *enforcement); /* the containers are restored: passes may begin */
