// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One try of an upload: is it there (HEAD), else where to (POST), then all of it (PUT). Source: OCI distribution spec,
 * "Pushing blobs". The place that the registry names may be at another host, which gets the blob but no credentials.
 */
#include "fetch/registry/transfer.h"

void upload_begin(Transfer *transfer);
