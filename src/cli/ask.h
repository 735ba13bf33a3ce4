// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Questions at a terminal; without one an error says what is missing, and the hint how it can be given. */
#include <stddef.h>

#include "base/error.h"

fallible ask_line(char **ret, const char *question, const char *hint);
fallible ask_hidden(char **ret, const char *question, const char *hint); /* what is typed is not shown */
/* All of standard input, without the end of its line. */
fallible ask_input(char **ret, size_t max);
