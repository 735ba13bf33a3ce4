// SPDX-License-Identifier: Apache-2.0
/* The host's side of binds: `-v` makes a directory that is missing, as Docker does at each start; `--mount` wants it to
 * be there. */
#include <fcntl.h>

#include "base/files.h"
#include "engine/container_internal.h"

static fallible each_bind(const ContainerSpec *spec, bool make, Error *(*act)(const char *source))
{
	const MountSpec *mounts = spec->mounts.items;

	for (size_t i = 0; i < spec->mounts.count; i++) {
		if (mounts[i].kind != MOUNT_BIND || mounts[i].make_source != make ||
			file_exists(AT_FDCWD, mounts[i].source))
			continue;
		TRY(act(mounts[i].source));
	}
	return NULL;
}

static Error *source_missing(const char *source)
{
	return error_new(
		ERROR_INVALID, "invalid mount config for type \"bind\": bind source path does not exist: %s", source);
}

static Error *source_make(const char *source)
{
	TRY_WRAP(dir_make_all(AT_FDCWD, source, 0755), "bind source \"%s\"", source);
	return NULL;
}

fallible sources_check(const ContainerSpec *spec)
{
	return each_bind(spec, false, source_missing);
}

fallible sources_make(const ContainerSpec *spec)
{
	TRY(sources_check(spec));
	return each_bind(spec, true, source_make);
}
