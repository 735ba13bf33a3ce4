// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What a change of declarations changes, as the daemon tells it. */
#include "cli/api.h"

/* "FIELD=VALUE" words from the one at `first` on; "FIELD=" takes it away: it is as it is by default. The daemon reads
 * the values. */
fallible declared_read_fields(Value *fields, const StringList *words, size_t first);
/* Sends what is in the paths to /kedge/v1/containers. */
fallible declared_apply(Cli *cli, Value **ret, const StringList *paths, bool is_dry_run);
void declared_print_differences(const Value *differences);     /* a line for each field */
void declared_print_change(const Value *change, bool details); /* "web: recreate" */
/* The exit status of those that compare: 1 when something differs. */
bool declared_differs(const Value *changes);
