// SPDX-License-Identifier: Apache-2.0
#pragma once
/* How this device reaches registries: configuration, certificates and one request's credentials become a kedge-fetch at
 * work. */
#include "engine/image.h"
#include "fetch/client.h"

fallible registry_fetcher(Fetcher **ret, Engine *engine, const Reference *reference,
	const ImageCredentials *credentials, const FetcherHandlers *handlers, void *arg);
