// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The admission door's judge: what is allowed to run, decided from a configuration and from what is known of a
 * container. Pure: it knows no engine, reads nothing, and a Policy never changes once it was made. Who asks it, and
 * when, is the engine's business (engine/admission.h).
 */
#include "policy/config.h"

typedef struct Policy Policy;

/* pinned: entries like those of the allow-list, from elsewhere: images that a device's owner has named by their digest.
 * May be NULL. ERROR_INVALID names what is wrong: an entry, a capability. */
fallible policy_new(Policy **ret, const PolicyConfig *config, const StringList *pinned);
Policy *policy_free(Policy *policy);
DEFINE_AUTOPTR(Policy, policy_free)

bool policy_is_enforcing(const Policy *policy); /* the allow-list is on; NULL: no */
bool policy_is_idle(const Policy *policy);      /* allows everything; NULL: yes */
size_t policy_size(const Policy *policy);       /* digests that are allowed, pinned ones included */
bool policy_equal(const Policy *a, const Policy *b);
/* The allow-list alone: one of the digests is on it, or it is off. */
bool policy_allows(const Policy *policy, const StringList *digests);

/* What is judged. Lists are lent, NULL is an empty one. */
typedef struct Candidate {
	const char *image;         /* by which it was asked for: a reference, or its id */
	bool is_by_id;             /* it is no reference, but an id or the beginning of one */
	const StringList *digests; /* of its manifest, index and configuration */
	const StringList *tags;    /* of the image: "busybox:latest" */
	const StringList *origins; /* "busybox@sha256:...": names under which registries have it */
	bool is_privileged;
	bool has_host_network;
	const StringList *capabilities; /* that are added to the default ones */
} Candidate;

/* Must start zeroed. */
typedef struct Verdict {
	const char *rule;   /* "allowlist", "registries", ...: the first one that refuses; NULL: it is admitted */
	char *reason;       /* why it is refused: a message, that names the image */
	StringMap warnings; /* by rule: why it would be refused if the rule's mode were deny */
} Verdict;

void verdict_clear(Verdict *verdict);
DEFINE_AUTOCLEAR(Verdict, verdict_clear)
fallible verdict_error(const Verdict *verdict); /* ERROR_FORBIDDEN, or NULL where it is admitted */

void policy_judge(Verdict *ret, const Policy *policy, const Candidate *candidate); /* policy NULL: admits everything */
