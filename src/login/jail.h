// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What surrounds kedge-login while it reads what anybody has sent: nobody's rights, no file to open, nothing to start.
 */
#include "base/error.h"

/* As root, with one thread. */
fallible login_jail_enter(void);
