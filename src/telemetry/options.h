// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The log drivers, and the options that each of them has: Docker's, by their names. What is not among them is refused
 * by its name. Source: moby daemon/logger/<driver>/ (ValidateLogOpt), daemon/logger/factory.go.
 */
#include <stdbool.h>

#include "base/error.h"
#include "base/strings.h"

/* driver NULL or "": json-file. */
fallible log_options_check(const char *driver, const StringMap *options);
bool log_driver_is_known(const char *driver);
bool log_driver_forwards(const char *driver); /* kedge-log sends it */
bool log_driver_has_option(const char *driver, const char *option);
bool log_options_block(const StringMap *options); /* mode=blocking, which is the default */
bool log_option_is_true(const char *value, bool otherwise); /* otherwise: without a value */
/* NULL: there is no driver of that number. */
const char *log_driver_name(size_t number);
