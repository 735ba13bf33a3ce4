// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Words of a ContainerSpec that its checks, its binds and the bundle read alike. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/spec.h"

enum { SPEC_PROPAGATIONS = 6 };
extern const char *const spec_propagations[SPEC_PROPAGATIONS];
bool spec_is_propagation(const char *word);
bool spec_is_address(const char *text); /* IPv4 or IPv6 */
char *spec_clean_path(const char *path);

/* Modes: NULL, "" and their default word mean private. */
bool spec_is_host(const char *mode);
const char *spec_joined(const char *mode); /* "x" of "container:x", else NULL */
bool spec_is_shared(const char *mode);     /* of the host or of another container */

/* security_options, read. */
typedef struct SecurityChoice {
	bool no_new_privileges;
	bool seccomp_off;
	const char *seccomp_profile; /* JSON in Docker's format, borrowed; NULL: the default one */
	bool paths_unmasked;         /* systempaths=unconfined */
	const char *apparmor;        /* borrowed; NULL: apparmor_choose() decides */
} SecurityChoice;

fallible spec_read_security(SecurityChoice *ret, const ContainerSpec *spec);

/* CPU time: nanoCpus is a quota in other words. *ret_quota_us is 0 where none is asked for, -1 for no limit. */
void spec_cpu_time(const ContainerSpec *spec, int64_t *ret_quota_us, int64_t *ret_period_us);

/* The block device of a rate; what is none is an error. */
fallible rate_device(dev_t *ret, const RateSpec *rate);

/* "nofile" -> RLIMIT_NOFILE; -1 when unknown. */
int spec_rlimit(const char *name);
