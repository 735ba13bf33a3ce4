// SPDX-License-Identifier: Apache-2.0
#pragma once
/* "--gpus", and those of "--device" that name CDI devices, as device requests. Source: docker/cli, opts/gpus.go. */
#include "base/strings.h"
#include "json/writer.h"

/* "DeviceRequests" of the HostConfig; nothing where neither option asks for one. gpus: "all", "2", "device=0,1" (quoted
 * as CSV), "driver=nvidia,capabilities=compute"; devices: others than CDI's are left to the caller. */
fallible device_requests_write(Writer *writer, const StringList *gpus, const StringList *devices);
