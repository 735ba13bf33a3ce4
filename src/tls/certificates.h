// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The files of "tcp" in kedged.yaml, as kedged knows them: whether they are others than before, and how they come to a
 * kedge-tls that can open none. */
#include <sys/stat.h>

#include "tls/config.h"

enum { CERTIFICATES_COUNT = 4 };

typedef struct Certificates {
	struct stat seen[CERTIFICATES_COUNT];
} Certificates;

/* Since it was last asked. */
bool certificates_are_new(Certificates *certificates, const TlsConfig *config);
/* Opens them and sends TALK_CERTIFICATES. */
fallible certificates_send(int control, const TlsConfig *config);
/* Whether kedge-tls likes them; waits for it. */
fallible certificates_check(const TlsConfig *config, const char *program);
