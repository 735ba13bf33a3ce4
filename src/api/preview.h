// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What a change of the service's options would remove: kedge's own containers, and those of another engine. */
#include "api/internal.h"

/* Answers, later. service: what would be in force; copied. */
void preview_respond(HttpRequest *request, Api *api, Policy *take_policy, const Service *service);
