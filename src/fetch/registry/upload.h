// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One try of an upload: is it there (HEAD), else where to or mounted from another repository (POST), then all of it
 * (PUT), or piece by piece (PATCH) where it is large or the registry wants that: of pieces the next try begins where
 * the registry says that the last one ended (GET). Source: OCI distribution spec, "Pushing blobs". The place that the
 * registry names may be at another host, which gets the blob but no credentials.
 */
#include "fetch/registry/transfer.h"

void upload_begin(Transfer *transfer);
