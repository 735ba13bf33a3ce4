// SPDX-License-Identifier: Apache-2.0
/* syncfs(2) in a forked child, since it takes as long as the disk needs and kedged has one thread. */
#include <errno.h>
#include <unistd.h>

#include "base/aside.h"
#include "base/fault.h"
#include "base/memory.h"
#include "store/internal.h"

struct StoreSync {
	Store *store;
	Aside *aside;
	uint64_t commits; /* when it began */
	void (*done)(void *arg, Error *take_error);
	void *arg;
};

static fallible sync_standard_input(const void *root)
{
	if (syncfs(STDIN_FILENO) < 0)
		return error_errno(errno, "could not sync store \"%s\"", (const char *)root);
	return NULL;
}

static void sync_done(void *arg, Error *take_error)
{
	StoreSync *sync = arg;
	void (*done)(void *arg, Error *take_error) = sync->done;
	void *done_arg = sync->arg;

	if (!take_error && sync->store->synced < sync->commits)
		sync->store->synced = sync->commits;
	store_sync_free(sync);
	done(done_arg, take_error);
}

fallible store_sync_start(
	StoreSync **ret, Store *store, Loop *loop, void (*done)(void *arg, Error *take_error), void *arg)
{
	autofree StoreSync *sync = mem_new(StoreSync);

	*sync = (StoreSync){.store = store, .commits = store->commits, .done = done, .arg = arg};
	TRY(fault("store.sync"));
	TRY(aside_start(&sync->aside, loop, sync_standard_input, store->root, store->sync_fd, sync_done, sync));
	*ret = take(sync);
	return NULL;
}

StoreSync *store_sync_free(StoreSync *sync)
{
	if (!sync)
		return NULL;
	aside_free(sync->aside);
	free(sync);
	return NULL;
}
