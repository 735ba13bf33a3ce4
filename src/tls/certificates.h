// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The files of "tcp" in kedged.yaml, as kedged knows them: whether they are others than before, and how they come to a
 * kedge-tls that can open none. */
#include <sys/stat.h>

#include "tls/config.h"

enum { CERTIFICATES_COUNT = 4 };

typedef struct Certificates {
	struct stat seen[CERTIFICATES_COUNT];
	bool is_unsent; /* what was seen has not reached kedge-tls: it is offered again */
} Certificates;

/* Whether they are others than were sent last. */
bool certificates_are_new(const Certificates *certificates, const TlsConfig *config);
/* Opens them and sends TALK_CERTIFICATES. *ret_again: these could not be sent before, and nobody has to be told again.
 */
fallible certificates_send(Certificates *certificates, bool *ret_again, int control, const TlsConfig *config);
/* Whether kedge-tls likes them; waits for it. */
fallible certificates_check(const TlsConfig *config, const char *program);
