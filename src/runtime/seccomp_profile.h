// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The default seccomp profile as a table: which system calls a container may make, depending on its capabilities. An
 * allow-list: what is not named is refused with EPERM; what is newer than the table is answered with ENOSYS, so that
 * programs fall back. io_uring is not named.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum { SECCOMP_PROFILE_VERSION = 1 }; /* part of the cache's key: raise it with every change of table or program */

typedef enum SeccompVerdict {
	SECCOMP_REFUSE, /* EPERM */
	SECCOMP_ALLOW,
	SECCOMP_NO_SYSCALL, /* ENOSYS */
	SECCOMP_SOCKET,     /* these are allowed when one of the comparisons for the verdict holds, refused otherwise */
	SECCOMP_PERSONALITY,
	SECCOMP_CLONE,
	SECCOMP_VERDICTS
} SeccompVerdict;

typedef struct SeccompGroup {
	const char *names; /* separated by spaces; a name stands in one group, but for pairs that exclude each other */
	SeccompVerdict verdict;
	uint64_t with;    /* applies when the container holds one of these capabilities; 0: always */
	uint64_t without; /* applies only when it holds none of these */
} SeccompGroup;

typedef enum SeccompTest { SECCOMP_EQUAL, SECCOMP_LESS, SECCOMP_GREATER, SECCOMP_NO_BITS } SeccompTest;

/* The low 32 bits of an argument against a value: the kernel looks at no more of those that are compared here. */
typedef struct SeccompComparison {
	SeccompVerdict verdict;
	unsigned argument;
	SeccompTest test;
	uint32_t value;
} SeccompComparison;

/* System calls that libseccomp may be too old to know: the same number on every architecture, or on x86-64 alone. */
typedef struct SeccompNewcomer {
	const char *name;
	uint32_t number;
	bool only_x86_64;
} SeccompNewcomer;

extern const SeccompGroup seccomp_groups[];
extern const size_t seccomp_group_count;
extern const SeccompComparison seccomp_comparisons[];
extern const size_t seccomp_comparison_count;
extern const SeccompNewcomer seccomp_newcomers[];
extern const size_t seccomp_newcomer_count;
extern const uint32_t seccomp_last_number; /* the newest system call that the table knows */

bool seccomp_group_applies(const SeccompGroup *group, uint64_t capabilities);
/* The capabilities that make a difference: others are left out of the cache's key. */
uint64_t seccomp_relevant_capabilities(void);
/* linux.seccomp of the OCI runtime spec, for runtimes that compile it themselves. */
void seccomp_profile_json(Buffer *out, uint64_t capabilities);
