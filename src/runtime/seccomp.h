// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The seccomp filter: an allow-list equivalent to Docker's default profile, compiled by libseccomp once per (profile, capabilities, architecture)
 * and cached on disk as a BPF program; handed to crun ready-made (annotation run.oci.seccomp_bpf_data, base64) or as JSON to other runtimes.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"

typedef struct SeccompCache SeccompCache;

fallible seccomp_cache_open(SeccompCache **ret, const char *directory); /* made if absent; unreadable or damaged entries are compiled anew */
SeccompCache *seccomp_cache_close(SeccompCache *cache);
DEFINE_AUTOPTR(SeccompCache, seccomp_cache_close)
/* The default profile for a capability set (bit n = capability n), as base64 of struct sock_filter[]. Borrowed from the cache. */
fallible seccomp_filter_base64(const char **ret, SeccompCache *cache, uint64_t capabilities);
/* The same as the OCI spec's linux.seccomp object (JSON text). Borrowed from the cache. */
fallible seccomp_filter_json(const char **ret, SeccompCache *cache, uint64_t capabilities);
