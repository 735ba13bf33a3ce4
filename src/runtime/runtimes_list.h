// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The list behind runtimes.h, for those who fill it. */
#include "runtime/runtimes.h"

struct Runtimes {
	Runtime *items;
	size_t count;
	char *default_name;
};

char *runtime_identity(const Runtime *runtime); /* of its program; "" when it is not there */
