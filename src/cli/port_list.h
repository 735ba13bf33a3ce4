// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * "Ports" of a container in the API's list, as ps shows them: neighbours joined to ranges, those whose number is
 * another at the host one by one behind them. Source: docker's own program, DisplayablePorts() of
 * cli/command/formatter.
 */
#include "base/buffer.h"
#include "json/value.h"

void port_list_write(Buffer *out, const Value *ports);
