// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Pulling, as the command and as what run does before it can create. */
#include <stdio.h>

#include "cli/cli.h"

/* image without a tag means ":latest"; platform may be NULL. */
fallible pull_image(Cli *cli, const char *image, const char *platform, FILE *out, bool is_quiet);
