// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Programs that keep credentials in place of config.json: docker-credential-NAME in PATH, run as the user with "get",
 * "store" or "erase". What they are told goes through standard input, never through argv. Source: the protocol of
 * docker-credential-helpers.
 */
#include "cli/config.h"

/* Nothing known is no error: all of ret stays NULL. */
fallible helper_get(Credentials *ret, const char *helper, const char *server);
fallible helper_store(const char *helper, const char *server, const Credentials *credentials);
fallible helper_erase(const char *helper, const char *server, bool *ret_removed);
