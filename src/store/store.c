// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "store/internal.h"
#include "store/salvage.h"

enum { LOCK_WAIT_MS = 2000, LOCK_STEP_MS = 5 };

/* ---- opening ---- */

static fallible root_open(Store *store, const char *root)
{
	TRY(dir_make_all(AT_FDCWD, root, 0700));
	store->root = realpath(root, NULL);
	if (!store->root)
		return error_errno(errno, "could not resolve store \"%s\"", root);
	TRY(dir_open(&store->dir, AT_FDCWD, store->root));
	return dir_open(&store->sync_fd, AT_FDCWD, store->root);
}

/* A kedged that was just killed may have a child between fork and exec that still holds the lock: that is over in
 * milliseconds. */
static fallible root_lock(Store *store)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * NANOS_PER_MILLI};

	for (int waited = 0; flock(store->dir, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(errno, "could not lock store \"%s\"", store->root);
		if (waited >= LOCK_WAIT_MS)
			return error_hint(
				error_new(ERROR_CONFLICT, "the store \"%s\" is in use by another process", store->root),
				"stop the other kedged, or give this one a root of its own");
		nanosleep(&step, NULL);
	}
	return NULL;
}

static Store *store_new(void)
{
	Store *store = mem_new(Store);

	store->dir = store->sync_fd = -1;
	store->reserved = -1;
	store->leases = table_new();
	store->staged = table_new();
	string_random_hex(store->trash_prefix, sizeof(store->trash_prefix) - 1);
	return store;
}

static fallible store_prepare(Store *store)
{
	autofree char *path = path_join(store->root, "kedge.db");

	TRY(database_open_or_salvage(&store->database, &store->lost_records, store->dir, path));
	TRY(recover_directories(store));
	reserve_tend(store);
	database_on_full(store->database, reserve_make_room, store);
	return recover(store);
}

static fallible root_claim(Store *store, const char *root)
{
	TRY(root_open(store, root));
	return root_lock(store);
}

fallible store_claim(Store **ret, const char *root)
{
	autoptr(Store) store = store_new();

	TRY_WRAP(root_claim(store, root), "could not open store \"%s\"", root);
	*ret = take(store);
	return NULL;
}

fallible store_load(Store *store)
{
	TRY_WRAP(store_prepare(store), "could not open store \"%s\"", store->root);
	return NULL;
}

fallible store_open(Store **ret, const char *root)
{
	autoptr(Store) store = NULL;

	TRY(store_claim(&store, root));
	TRY(store_load(store));
	*ret = take(store);
	return NULL;
}

Store *store_close(Store *store)
{
	if (!store)
		return NULL;
	database_close(store->database);
	table_free(store->leases);
	table_free(store->staged);
	close_fd(&store->sync_fd);
	close_fd(&store->dir);
	free(store->root);
	free(store);
	return NULL;
}

void store_trim(Store *store)
{
	database_trim(store->database);
}

const char *store_root(const Store *store)
{
	return store->root;
}

int store_dir(const Store *store)
{
	return store->dir;
}

bool container_id_is_valid(const char *id)
{
	return strlen(id) == CONTAINER_ID_LENGTH && strspn(id, "0123456789abcdef") == CONTAINER_ID_LENGTH;
}

fallible store_batch(Store *store, Error *(*steps)(void *arg), void *arg)
{
	return database_write(store->database, steps, arg);
}

/* ---- syncing ---- */

fallible store_sync(Store *store)
{
	uint64_t commits = store->commits;

	TRY(fault("store.sync"));
	if (syncfs(store->sync_fd) < 0)
		return error_errno(errno, "could not sync store \"%s\"", store->root);
	store->synced = commits;
	return NULL;
}

fallible store_sync_if_needed(Store *store)
{
	return store->synced == store->commits ? NULL : store_sync(store);
}

/* ---- leases ---- */

void store_lease(Store *store, const char *digest)
{
	uintptr_t count = (uintptr_t)table_get(store->leases, digest);

	table_set(store->leases, digest, (void *)(count + 1));
}

void store_lease_end(Store *store, const char *digest)
{
	uintptr_t count = (uintptr_t)table_get(store->leases, digest);

	if (count > 1)
		table_set(store->leases, digest, (void *)(count - 1));
	else
		table_remove(store->leases, digest);
}

bool store_is_leased(const Store *store, const char *digest)
{
	return table_get(store->leases, digest);
}
