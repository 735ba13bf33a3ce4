// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What run and create do first: pull where the policy says so, create, write the id file, show warnings. */
#include "cli/cli.h"
#include "cli/container_options.h"

fallible new_container(char **ret_id, Cli *cli, const ContainerOptions *options, const StringList *arguments);
