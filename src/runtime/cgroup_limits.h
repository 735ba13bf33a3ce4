// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Limits of a container that is running: what differs between two specs is written into its control groups, in an order
 * that the kernel takes. (At a start the runtime sets them, from the bundle.)
 */
#include "runtime/cgroup.h"
#include "runtime/spec.h"

/* The first file that cannot be written ends it; going back from `to` to `from` undoes what was done. */
fallible cgroup_limits_change(
	const CgroupLayout *layout, const char *cgroup, const ContainerSpec *from, const ContainerSpec *to);

/*
 * Hosts of version 1 with the BFQ scheduler alone have the weights of block I/O under names of its own, which crun does
 * not know: such a host's bundle leaves them out, and they are written once the container's group is there.
 */
bool cgroup_limits_weights_are_ours(const CgroupLayout *layout, const char *cgroup); /* asks its parent's group */
fallible cgroup_limits_set_weights(const CgroupLayout *layout, const char *cgroup, const ContainerSpec *spec);

/* What of a spec this host cannot limit is taken out, and said in Docker's words. group: any one that is there. */
void cgroup_limits_drop(const CgroupLayout *layout, const char *group, ContainerSpec *spec, StringList *warnings);
