// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * AppArmor profiles of containers. One that names none, and is not privileged, gets "kedge-default": what Docker's
 * docker-default refuses (mounts, and writing to the kernel's files below /proc and /sys), whatever capabilities it
 * has. It lives in the kernel until a reboot, so it is loaded by the first kedged after that. Source: apparmor.d(5).
 */
#include <stdbool.h>

#include "base/error.h"
#include "runtime/spec.h"

#define APPARMOR_DEFAULT "kedge-default"
#define APPARMOR_UNCONFINED "unconfined"

bool apparmor_is_there(void); /* the kernel has it, and securityfs is mounted */
/* The profile a container runs under, borrowed; NULL: none is set. otherwise is that of those that name none; NULL:
 * they have none, or the kernel has no AppArmor. */
fallible apparmor_choose(const char **ret, const ContainerSpec *spec, const char *otherwise);
fallible apparmor_is_loaded(bool *ret, const char *profile);
/* Whether this text of the profile is loaded; file keeps what was loaded last. */
fallible apparmor_has_default(bool *ret, const char *file);
/* Runs apparmor_parser, and waits for it, unless the profile is there. */
fallible apparmor_load_default(const char *file);
/* ERROR_INVALID with a hint when the kernel does not know the profile; "unconfined" and NULL are always there. */
fallible apparmor_check(const char *profile);
