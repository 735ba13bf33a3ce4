// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What /kedge/v1/engine shares with those who show what a change would remove there. */
#include "api/internal.h"

void write_external_engine(Writer *writer, const char *key, const Api *api); /* an object */

/* Answers once the other engine's list is as new as it can be; never called when the client leaves before. */
typedef void ExternalListener(HttpRequest *request, Api *api, void *arg);
/* free_arg: of take_arg, afterwards, whether it was called or not; may be NULL. */
void external_list_first(
	HttpRequest *request, Api *api, ExternalListener *listener, void *take_arg, void (*free_arg)(void *arg));
