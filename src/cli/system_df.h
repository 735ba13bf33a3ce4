// SPDX-License-Identifier: Apache-2.0
#pragma once
/* "kedge system df --verbose": every image, container and volume with what it takes. */
#include "cli/cli.h"

fallible system_df_verbose(Cli *cli);
