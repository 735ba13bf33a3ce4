// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * From a container's device requests (runtime/spec.h) to the edits that give it the devices: CDI devices by their
 * names; GPUs from CDI where a specification has "nvidia.com/gpu" ones, else by the hook of NVIDIA's toolkit. Source:
 * moby daemon/nvidia_linux.go, and cdi.go.
 */
#include "runtime/cdi.h"
#include "runtime/spec.h"

typedef struct DeviceSources {
	const StringList *cdi_directories;
	const char *path;         /* where NVIDIA's hook is looked for: "/usr/bin:/bin" */
	bool runtime_is_nvidia_s; /* the container's runtime looks at its environment, and needs no hook */
} DeviceSources;

/* What cannot be had is an ERROR_INVALID, or a note where the request says that it is optional. */
fallible device_requests_resolve(
	CdiEdits *edits, const FieldArray *requests, const DeviceSources *sources, StringList *ret_notes);
fallible device_request_check(const DeviceRequest *request); /* its form */
