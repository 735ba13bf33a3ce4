// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Syslog's facilities, by name ("daemon") or number. Source: RFC 5424, 6.2.1. */
#include "base/error.h"

fallible facility_find(int *ret, const char *text); /* "" is daemon */
