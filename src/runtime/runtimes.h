// SPDX-License-Identifier: Apache-2.0
#pragma once
/* OCI runtimes by name: where they are, and what they can do (known at start). */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strings.h"

typedef struct Runtime {
	char *name;
	char *path;
	StringList options;            /* in front of every command */
	char *version;                 /* first line of --version; NULL when it could not be run */
	bool takes_ready_made_seccomp; /* as tried by runtimes_try_ready_made() */
	bool is_crun;
	bool is_program; /* not a script around one: a copy of it in memory runs as well as the file */
} Runtime;

typedef struct Runtimes Runtimes;

bool runtimes_is_found_by_itself(const char *name); /* without being configured, if it is installed */

enum { RUNTIME_OPTIONS_MAX = 16 };

/* configured: name -> path and options, separated by blanks; may be empty; crun and runc are found by themselves in
 * PATH and /usr/{bin,sbin}. memory: as in versions_read(). */
fallible runtimes_find(Runtimes **ret, const StringMap *configured, const char *default_name, const char *memory);
Runtimes *runtimes_free(Runtimes *runtimes);
DEFINE_AUTOPTR(Runtimes, runtimes_free)
const Runtime *runtimes_get(const Runtimes *runtimes, const char *name); /* NULL name: the default; NULL: unknown */
const char *runtimes_default(const Runtimes *runtimes);
void runtimes_list(const Runtimes *runtimes, StringMap *ret); /* name -> path and options, as they are configured */
