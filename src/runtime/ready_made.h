// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a runtime takes a seccomp filter that is ready-made (annotation run.oci.seccomp_bpf_data): tried, not
 * believed. It is given a container whose filter refuses execve(2) with an error that nothing else gives, and has to
 * fail with it. Runtimes that do not are given the profile as JSON.
 */
#include "runtime/runtimes.h"

/*
 * Sets takes_ready_made_seccomp of all that call themselves crun. What passed is remembered in directory and not tried
 * again until the program changes; a bundle is made in run_dir and removed. Waits, at most ASK_TIME_MS in all. What
 * goes wrong is logged: containers start without it, later.
 */
void runtimes_try_ready_made(Runtimes *runtimes, const char *directory, const char *run_dir);
