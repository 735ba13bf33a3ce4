// SPDX-License-Identifier: Apache-2.0
#pragma once
/* "kedge system df --verbose": every image, container and volume with what it takes. */
#include "cli/cli.h"

/* format: NULL for tables, or as facts_format() has it, of one object with the lists. */
fallible system_df_verbose(Cli *cli, const char *format);
