// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A seccomp profile of the caller's own, in Docker's format: rules that depend on capabilities, architecture and
 * kernel, brought into the form of the OCI runtime spec, which knows no conditions. Source: moby profiles/seccomp
 * (seccomp.go), OCI runtime spec config-linux.md.
 */
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* Appends the OCI spec's linux.seccomp. ERROR_INVALID names what the profile has wrong: `syscalls[3]: action "X" is
 * unknown`. */
fallible seccomp_file_convert(Buffer *out, const char *profile, uint64_t capabilities);
