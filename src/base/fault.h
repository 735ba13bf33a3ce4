// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Fault points for tests: `TRY(fault("store.rename"))` in front of a step that may fail. Without the environment
 * variable KEDGE_FAULT it costs one load and compare. KEDGE_FAULT="store.rename:3:fail" makes the third call fail;
 * ":kill" kills the process there instead; a name of "*" counts every point. KEDGE_FAULT_COUNT=FILE makes the program
 * write how many points it passed when it ends.
 */
#include "base/error.h"

fallible fault(const char *point);
