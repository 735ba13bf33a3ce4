// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Whether a file is only half there: leases tell, where the file system has them. */
#include <stdbool.h>

/* Somebody has it open for writing. */
bool file_is_being_written(int fd);
