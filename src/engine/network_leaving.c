// SPDX-License-Identifier: Apache-2.0
/* Bridges whose networks are gone: each is noted in the run directory before its network's record goes, and is looked
 * for at the next start, as kedged may have ended meanwhile. A bridge itself only says that some kedged has made it. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_internal.h"
#include "network/links.h"
#include "network/reaper.h"

static char *notes_directory(const Engine *engine)
{
	return path_join(engine->config.run_dir, "leaving");
}

fallible bridge_note(const Engine *engine, const char *bridge)
{
	autofree char *directory = notes_directory(engine), *path = path_join(directory, bridge);
	autofd fd = -1;

	TRY(dir_make(AT_FDCWD, directory, 0700));
	return file_open(&fd, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

void bridge_drop_note(const Engine *engine, const char *bridge)
{
	autofree char *directory = notes_directory(engine), *path = path_join(directory, bridge);
	Error *error = file_unlink(AT_FDCWD, path);

	if (error)
		error_log(error, "bridge \"%s\"", bridge);
}

/* ---- at the next start ---- */

typedef struct Sweep {
	const Engine *engine;
	char *bridge;
} Sweep;

static void swept(void *arg, Error *take_error)
{
	Sweep *sweep = arg;

	if (take_error)
		error_log(take_error, "bridge \"%s\", whose network is gone, stays", sweep->bridge);
	else
		bridge_drop_note(sweep->engine, sweep->bridge);
	free(sweep->bridge);
	free(sweep);
}

static bool is_used(const Engine *engine, const char *bridge)
{
	list_each(&engine->network_order, Network, link, network)
		if (network_has_bridge(network) && string_equal(network->bridge, bridge))
			return true;
	return false;
}

static fallible sweep_bridge(Engine *engine, const char *bridge)
{
	BridgeOwner owner;
	Sweep *sweep;
	Error *error;

	TRY(network_open_links(engine));
	TRY(bridge_owner(&owner, engine->links, bridge));
	if (owner != BRIDGE_OURS || is_used(engine, bridge)) {
		bridge_drop_note(engine, bridge);
		return NULL;
	}
	sweep = mem_new(Sweep);
	*sweep = (Sweep){engine, mem_strdup(bridge)};
	error = reaper_remove(engine->reaper, -1, bridge, swept, sweep);
	if (error)
		swept(sweep, error);
	return NULL;
}

/* One that cannot be swept is in nobody's way. */
static Error *visit(void *arg, int dir, const char *name, unsigned char type)
{
	Error *error = sweep_bridge(arg, name);

	(void)dir, (void)type;
	if (error)
		error_log(error, "bridge \"%s\", whose network is gone, stays", name);
	return NULL;
}

void bridges_sweep(Engine *engine)
{
	autofree char *directory = notes_directory(engine);
	Error *error = file_exists(AT_FDCWD, directory) ? dir_each(AT_FDCWD, directory, visit, engine) : NULL;

	if (error)
		error_log(error, "bridges whose networks are gone");
}
