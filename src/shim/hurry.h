// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * On control groups v1, the first process that is moved into a group after some time without such a move waits 1 to 16
 * ms for the kernel's grace period (cgroup_threadgroup_rwsem is a percpu rwsem); moves soon after it do not. The
 * runtime makes such a move in the middle of a start. A child that moves itself and ends lets the wait begin with the
 * start and pass beside its other work. On v2 nothing is done: containers are born in their group.
 */

/* oom_file: <hierarchy>/<parent>/<id>/memory.oom_control, or anything else, which does nothing. The child is reaped as
 * a stranger. */
void hurry_control_groups(const char *oom_file);
