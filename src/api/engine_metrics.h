// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What /metrics says of the engine, of the device, and of kedged's own process: in the names of dockerd, of cAdvisor
 * and of Prometheus' client libraries where they have some. */
#include "api/container_metrics.h"

/* samples: of all containers, for their numbers by state. up_ns: how long this program has served. */
fallible engine_metrics_write(Buffer *out, Engine *engine, const ContainerSample *samples, size_t count, int64_t up_ns);
