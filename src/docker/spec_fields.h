// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The plain members of Docker's Config and HostConfig. Source: moby api/swagger.yaml, ContainerConfig, HostConfig,
 * Resources. */
#include "engine/container.h"

extern const Field config_plain_fields[];
extern const Field host_plain_fields[];
extern const Field host_default_fields[];
extern const Field host_request_fields[];
