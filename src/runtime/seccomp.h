// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The seccomp filter: an allow-list equivalent to Docker's default profile, compiled once per (profile, capabilities,
 * architecture) and cached on disk as a BPF program; handed to crun ready-made (annotation run.oci.seccomp_bpf_data,
 * base64) or as JSON to other runtimes. seccomp_profile.h is the table, seccomp_program.h the compiler.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"

typedef struct SeccompCache SeccompCache;

/* The directory is made if absent; unreadable or damaged files in it are compiled anew. It must be root's alone. */
fallible seccomp_cache_open(SeccompCache **ret, const char *directory);
SeccompCache *seccomp_cache_close(SeccompCache *cache);
DEFINE_AUTOPTR(SeccompCache, seccomp_cache_close)
/*
 * The default profile for a capability set (bit n = capability n), as base64 of struct sock_filter[]. What these two
 * give belongs to the cache and is good until it is asked for another set.
 */
fallible seccomp_filter_base64(const char **ret, SeccompCache *cache, uint64_t capabilities);
/* The same as the OCI spec's linux.seccomp object (JSON text). */
fallible seccomp_filter_json(const char **ret, SeccompCache *cache, uint64_t capabilities);
