// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Compiles the profile into a BPF program: for each architecture a binary search over ranges of system call numbers
 * with equal verdicts. About a quarter of the size of libseccomp's output, and far cheaper to install, since the kernel
 * tries the program for every number. The numbers come from libseccomp. Source: kernel
 * Documentation/userspace-api/seccomp_filter.rst.
 */
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { SECCOMP_PROGRAM_MAX = 4096 }; /* instructions; the kernel's own limit (BPF_MAXINSNS) */

/* The caller frees *ret. */
fallible seccomp_program_build(struct sock_filter **ret, size_t *ret_count, uint64_t capabilities);
