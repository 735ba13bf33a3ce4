// SPDX-License-Identifier: Apache-2.0
/* syncfs(2) in a forked child, since it takes as long as the disk needs and kedged has one thread. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/memory.h"
#include "store/internal.h"

struct StoreSync {
	Store *store;
	Source *child;
	uint64_t commits; /* when it began */
	void (*done)(void *arg, Error *take_error);
	void *arg;
};

/* The child keeps nothing of ours but the descriptor to sync: neither the store's lock nor a listening socket outlives
 * kedged in it. */
static _Noreturn void child_main(const Store *store)
{
	close(store->dir);
	if (dup2(store->sync_fd, STDIN_FILENO) < 0)
		_exit(errno);
	close_range(STDIN_FILENO + 1, ~0U, 0);
	_exit(syncfs(STDIN_FILENO) < 0 ? errno : 0);
}

static fallible sync_result(const StoreSync *sync, int wait_status)
{
	if (WIFEXITED(wait_status) && !WEXITSTATUS(wait_status))
		return NULL;
	return error_errno(WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EINTR, "could not sync store \"%s\"",
		sync->store->root);
}

static void sync_exited(void *arg, int wait_status)
{
	StoreSync *sync = arg;
	void (*done)(void *arg, Error *take_error) = sync->done;
	void *done_arg = sync->arg;
	Error *error = done ? sync_result(sync, wait_status) : NULL;

	if (done && !error && sync->store->synced < sync->commits)
		sync->store->synced = sync->commits;
	source_free(sync->child);
	free(sync);
	if (done)
		done(done_arg, error);
}

fallible store_sync_start(
	StoreSync **ret, Store *store, Loop *loop, void (*done)(void *arg, Error *take_error), void *arg)
{
	autofree StoreSync *sync = mem_new(StoreSync);

	*sync = (StoreSync){.store = store, .commits = store->commits, .done = done, .arg = arg};
	TRY(fault("store.sync"));
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(errno, "could not start a process that syncs the store");
	if (!pid)
		child_main(store);
	TRY(loop_child(&sync->child, loop, pid, sync_exited, sync));
	*ret = take(sync);
	return NULL;
}

/* The child cannot be called off while the kernel syncs; it is still reaped, and nobody is told. */
StoreSync *store_sync_free(StoreSync *sync)
{
	if (sync)
		sync->done = NULL;
	return NULL;
}
