// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>

#include "base/loop.h"
#include "fixture.h"

static void note_done(void *arg, Error *take_error)
{
	check_ok(take_error);
	++*(int *)arg;
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void syncs_beside_the_loop(void **state)
{
	autoptr(Store) store = store_at(*state);
	autoptr(Loop) loop = NULL;
	StoreSync *sync = NULL;
	int done = 0;

	check_ok(loop_new(&loop));
	check_ok(store_sync_start(&sync, store, loop, note_done, &done));
	assert_int_equal(done, 0);
	while (!done)
		check_ok(loop_run_once(loop));
	assert_int_equal(done, 1);
	assert_false(has_children());
}

static void tells_nobody_once_freed(void **state)
{
	autoptr(Store) store = store_at(*state);
	autoptr(Loop) loop = NULL;
	StoreSync *first = NULL, *second = NULL;
	int first_done = 0, second_done = 0;

	check_ok(loop_new(&loop));
	check_ok(store_sync_start(&first, store, loop, note_done, &first_done));
	store_sync_free(first);
	check_ok(store_sync_start(&second, store, loop, note_done, &second_done));
	while (!second_done || has_children())
		check_ok(loop_run_once(loop));
	assert_int_equal(first_done, 0);
}

/* Otherwise a kedged that was killed while the disk is slow could not be started again. */
static void does_not_hold_the_lock(void **state)
{
	Store *store = store_at(*state);
	autoptr(Loop) loop = NULL;
	StoreSync *sync = NULL;
	int done = 0;

	check_ok(loop_new(&loop));
	check_ok(store_sync_start(&sync, store, loop, note_done, &done));
	store_sync_free(sync);
	store_close(store);
	store_close(store_at(*state));
	while (has_children())
		check_ok(loop_run_once(loop));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(syncs_beside_the_loop),
		directory_test(tells_nobody_once_freed),
		directory_test(does_not_hold_the_lock),
	};

	return cmocka_run_group_tests_name("store sync", tests, NULL, NULL);
}
