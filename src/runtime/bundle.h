// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * From a ContainerSpec to an OCI runtime configuration (config.json, ociVersion 1.0.2) with safe defaults: private
 * namespaces, Docker's 14 capabilities, masked and read-only paths, the seccomp profile, device rules. Writes text;
 * touches nothing. Source: OCI runtime spec 1.0.2.
 */
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "runtime/cdi_spec.h"
#include "runtime/cgroup.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"
#include "runtime/user.h"

/* crun takes the filter from here as base64 of its program. */
#define SECCOMP_ANNOTATION "run.oci.seccomp_bpf_data"

typedef struct BundleInput {
	const char *id;
	const ContainerSpec *spec;
	const char *rootfs;  /* absolute; where the shim mounts the root */
	const UserIds *user; /* resolved */
	const char *hostname;
	const char *cgroup; /* cgroupsPath: "/kedge/<id>" */
	const CgroupLayout *cgroups;
	const char *hosts_path, *hostname_path, *resolv_path; /* managed /etc files to bind; NULL: none */
	bool given_network; /* the runtime is started in the container's network namespace: it gets none, and no net.*
				settings (bundle_network_settings()) */
	/* Namespaces of other containers, "/proc/PID/ns/net", and the directory with their /dev/shm; NULL: none. */
	const char *joined_pid, *joined_ipc, *joined_network, *joined_shm;
	const char
		*sources_directory; /* where the shim binds such as it takes first, by their number among the mounts */
	const char *volumes_directory;    /* <it>/NAME/_data is a volume */
	SeccompCache *seccomp;            /* NULL: no filter (unconfined) */
	bool seccomp_ready_made;          /* the runtime takes run.oci.seccomp_bpf_data */
	const StringList *link_variables; /* NULL: none */
	const char *apparmor;             /* profile of those that name none; NULL: none */
	const CdiEdits *edits;            /* what its device requests come to; NULL: none */
} BundleInput;

fallible bundle_write(Buffer *out, const BundleInput *input);
/* The settings (net.* of sysctl(8)) of a network namespace that is given: for who makes it. */
void bundle_network_settings(StringMap *ret, const ContainerSpec *spec);
/* The filter as that annotation has it; empty: none. */
fallible bundle_write_filter(Buffer *out, const BundleInput *input);
/* The OCI "process" object for an exec in a running container (health checks): the container's user, env, caps and
 * filter. A terminal is as large as the spec says. */
fallible bundle_write_process(Buffer *out, const BundleInput *input, const StringList *arguments, bool has_terminal);
