// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Requests that are answered when the engine is done: call_done() is the handler that such a call of the engine takes,
 * with the Call as its argument. A client that leaves does not stop the work.
 */
#include "engine/container.h"
#include "http/server.h"

typedef struct Call Call;

/* container: kept until the end; may be NULL. status: what success is answered with. */
Call *call_new(HttpRequest *request, Container *container, int status);
void call_done(void *arg, Error *take_error); /* a ContainerDone */
/* What the engine's call itself gave. An Error, or "already so" (304), means that it does not call back. */
void call_settle(Call *call, Error *error, bool already);
