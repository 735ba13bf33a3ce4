// SPDX-License-Identifier: Apache-2.0
/*
 * What a run leaves outside the container's state directory: processes, control groups, the runtime's state, the
 * bundle. The shim removes most of it itself; after one that was killed all of it is there. Killed processes take their
 * time to be gone, and nobody waits for them here: the container is not removed or started again before.
 */
#include <fcntl.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "engine/network_internal.h"
#include "shim/logblock.h"

#define GATHERED_MAX (LOG_BLOCK_MAX + sizeof(LogGathered))
#define DELAY_FIRST (2 * NANOS_PER_MILLI)

enum { TRIES_MAX = 12 }; /* 8 seconds in all */

/* Lines that a shim had gathered when it was killed: the next one finds them beside the log. */
static void keep_gathered(const Container *container)
{
	autofree char *from = path_join(container->bundle, LOG_GATHERED_NAME), *text = NULL;
	autofree char *to = path_join(container->state_directory, LOG_GATHERED_NAME);
	size_t length = 0;

	if (!file_exists(AT_FDCWD, from))
		return;
	Error *error = file_read(&text, &length, AT_FDCWD, from, GATHERED_MAX);
	if (!error)
		error = file_replace(AT_FDCWD, to, text, length, 0600);
	if (error)
		error_log(error, "container \"%s\": the last lines of its log are lost", container->record.name);
}

static void clean_files(Container *container)
{
	autofree char *runtime_state = string_printf("%s/runtime/%s", container->engine->config.run_dir, container->id);

	error_free(tree_remove(AT_FDCWD, runtime_state)); /* what stays is removed with the run directory */
	keep_gathered(container);
	error_free(tree_remove(AT_FDCWD, container->bundle));
}

/* False: processes are still there. After the last try what is left is said, and left. */
static bool clean_groups(Container *container)
{
	Engine *engine = container->engine;
	Error *error = cgroup_kill(engine->cgroups, container->cgroup);

	if (!error)
		error = cgroup_remove(engine->cgroups, container->cgroup);
	if (error && error_kind(error) == ERROR_CONFLICT && ++container->clean_tries < TRIES_MAX) {
		error_free(error);
		return false;
	}
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
	return true;
}

static void clean_again(void *arg)
{
	Container *container = arg;

	if (!clean_groups(container)) {
		source_rearm(container->cleaner, DELAY_FIRST << container->clean_tries);
		return;
	}
	container->cleaner = source_free(container->cleaner);
	container->cleaning = false;
	if (!container->copies)
		container_run_cleaned(container);
}

void container_clean_run(Container *container)
{
	Error *error;

	endpoints_detach(container);
	clean_files(container);
	container->clean_tries = 0;
	container->cleaning = !clean_groups(container);
	if (!container->cleaning || container->cleaner)
		return;
	error = loop_timer(&container->cleaner, container->engine->loop, DELAY_FIRST, clean_again, container);
	if (!error)
		return;
	error_log(error, "container \"%s\": its control groups stay", container->record.name);
	container->cleaning = false;
}
