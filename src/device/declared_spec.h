// SPDX-License-Identifier: Apache-2.0
#pragma once
/* From a declaration to the ContainerSpec of its container; see declaration_spec() in device/declaration.h. */
#include "device/declaration.h"

/* What needs nothing but the declaration: everything but files that are read, devices and labels. */
void declared_spec_plain(ContainerSpec *ret, const Declaration *declaration);
