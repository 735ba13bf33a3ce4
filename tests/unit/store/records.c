// SPDX-License-Identifier: Apache-2.0
#include "store/records.h"

#include "fixture.h"

typedef struct Seen {
	StringList ids, names, documents;
} Seen;

static void see(void *arg, const char *id, const char *name, const char *json)
{
	Seen *seen = arg;

	strings_add(&seen->ids, id);
	strings_add(&seen->names, name ? name : "-");
	strings_add(&seen->documents, json);
}

static void seen_clear(Seen *seen)
{
	strings_clear(&seen->ids);
	strings_clear(&seen->names);
	strings_clear(&seen->documents);
}
DEFINE_AUTOCLEAR(Seen, seen_clear)

static void check_records(Store *store, const char *kind, const char *ids, const char *names, const char *documents)
{
	autoclear(Seen) seen = {0};

	check_ok(record_each(store, kind, see, &seen));
	check_text(strings_join(&seen.ids, " "), ids);
	check_text(strings_join(&seen.names, " "), names);
	check_text(strings_join(&seen.documents, " "), documents);
}

static void survive_closing(void **state)
{
	Store *store = store_at(*state);

	check_ok(record_put(store, "container", "b", "web", "{\"a\":1}"));
	check_ok(record_put(store, "container", "a", NULL, "{}"));
	check_ok(record_put(store, "volume", "a", "web", "[]"));
	store_close(store);
	store = store_at(*state);
	check_records(store, "container", "b a", "web -", "{\"a\":1} {}");
	check_records(store, "volume", "a", "web", "[]");
	check_records(store, "network", "", "", "");
	store_close(store);
}

static void are_readable_by_root_only(void **state)
{
	autoptr(Store) store = store_at(*state);
	const char *const files[] = {"kedge.db", "kedge.db-wal", "reserve"};
	struct stat status;

	check_ok(record_put(store, "container", "a", NULL, "{}"));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		assert_int_equal(fstatat(store_dir(store), files[i], &status, 0), 0);
		assert_int_equal(status.st_mode & 07777, 0600);
	}
}

static int64_t size_of_wal(const char *root)
{
	autofree char *path = path_join(root, "kedge.db-wal");
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

/* Its new length could be lost where the commit itself is not. */
static void make_no_file_longer(void **state)
{
	Store *store = store_at(*state);
	int64_t size = size_of_wal(*state);

	for (int i = 0; i < 2000; i++) {
		autofree char *json = string_printf("{\"number\":%d}", i);
		check_ok(record_put(store, "container", i % 2 ? "a" : "b", NULL, json));
		assert_int_equal(size_of_wal(*state), size);
	}
	store_close(store);
	assert_int_equal(size_of_wal(*state), size);
	store = store_at(*state);
	check_records(store, "container", "b a", "- -", "{\"number\":1998} {\"number\":1999}");
	assert_int_equal(size_of_wal(*state), size);
	store_close(store);
}

/* What a clean end leaves in the WAL is nothing: another database may be put in this one's place. */
static void are_all_in_the_database_after_the_end(void **state)
{
	autofree char *path = path_join(*state, "kedge.db-wal");
	Store *store = store_at(*state);

	check_ok(record_put(store, "container", "a", NULL, "{}"));
	store_close(store);
	assert_int_equal(unlink(path), 0);
	store = store_at(*state);
	check_records(store, "container", "a", "-", "{}");
	check_ok(record_put(store, "container", "b", NULL, "{}"));
	store_close(store);
	store = store_at(*state);
	check_records(store, "container", "a b", "- -", "{} {}");
	store_close(store);
}

static void replace_in_place(void **state)
{
	autoptr(Store) store = store_at(*state);

	check_ok(record_put(store, "container", "b", "web", "1"));
	check_ok(record_put(store, "container", "a", "db", "2"));
	check_ok(record_put(store, "container", "b", "front", "3"));
	check_ok(record_put(store, "container", "c", "web", "4"));
	check_records(store, "container", "b a c", "front db web", "3 2 4");
	check_ok(record_delete(store, "container", "a"));
	check_ok(record_delete(store, "container", "a"));
	check_records(store, "container", "b c", "front web", "3 4");
}

static void keep_names_unique(void **state)
{
	autoptr(Store) store = store_at(*state);

	check_ok(record_put(store, "container", "a", "web", "1"));
	check_error(record_put(store, "container", "b", "web", "2"), ERROR_CONFLICT,
		"the name \"web\" is in use by container \"a\"");
	check_ok(record_put(store, "container", "a", "web", "3"));
	check_records(store, "container", "a", "web", "3");
}

static void refuse_what_is_too_large(void **state)
{
	autoptr(Store) store = store_at(*state);
	autofree char *json = malloc(RECORD_MAX + 2);

	memset(json, 'x', RECORD_MAX + 1);
	json[RECORD_MAX + 1] = '\0';
	check_error(record_put(store, "container", "a", NULL, json), ERROR_TOO_LARGE,
		"the record of container \"a\" is larger than 4194304 bytes");
	json[RECORD_MAX] = '\0';
	check_ok(record_put(store, "container", "a", NULL, json));
}

typedef struct Change {
	Store *store;
	bool fails;
} Change;

static Error *change_two(void *arg)
{
	const Change *change = arg;

	TRY(record_put(change->store, "container", "a", "one", "1"));
	TRY(record_put(change->store, "container", "b", "two", "2"));
	return change->fails ? error_new(ERROR_CANCELLED, "no") : NULL;
}

static void change_together_or_not_at_all(void **state)
{
	autoptr(Store) store = store_at(*state);
	Change change = {.store = store, .fails = true};

	check_error(store_batch(store, change_two, &change), ERROR_CANCELLED, "no");
	check_records(store, "container", "", "", "");
	change.fails = false;
	check_ok(store_batch(store, change_two, &change));
	check_records(store, "container", "a b", "one two", "1 2");
}

static void change_while_visited_by_id(void *arg, const char *id, const char *name, const char *json)
{
	Change *change = arg;

	(void)json;
	if (string_equal(id, "b"))
		check_ok(record_delete(change->store, "container", id));
	else
		check_ok(record_put(change->store, "container", id, name, "new"));
}

static void may_be_changed_by_their_visitor(void **state)
{
	autoptr(Store) store = store_at(*state);
	Change change = {.store = store};

	check_ok(record_put(store, "container", "a", "one", "1"));
	check_ok(record_put(store, "container", "b", "two", "2"));
	check_ok(record_put(store, "container", "c", "three", "3"));
	check_ok(record_each(store, "container", change_while_visited_by_id, &change));
	check_records(store, "container", "a c", "one three", "new new");
}

static void are_set_aside(void **state)
{
	autoptr(Store) store = store_at(*state);

	check_ok(snapshot_make(store, container_id(1)));
	check_ok(record_put(store, "container", container_id(1), "web", "not what its reader wants"));
	check_ok(record_set_aside(store, "container", container_id(1), "field \"Image\" is missing"));
	check_ok(record_set_aside(store, "container", container_id(2), "is not there"));
	check_records(store, "container", "", "", "");
	assert_int_equal(problems_in(store, false), 1);
	assert_int_equal(entries_in(store, "containers"), 1);
	check_ok(record_put(store, "container", container_id(3), "web", "the name is free again"));
	check_ok(snapshot_make(store, container_id(3)));
	problems_in(store, true);
	assert_int_equal(problems_in(store, false), 0);
	assert_int_equal(entries_in(store, "containers"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(survive_closing),
		directory_test(are_readable_by_root_only),
		directory_test(make_no_file_longer),
		directory_test(are_all_in_the_database_after_the_end),
		directory_test(replace_in_place),
		directory_test(keep_names_unique),
		directory_test(refuse_what_is_too_large),
		directory_test(change_together_or_not_at_all),
		directory_test(may_be_changed_by_their_visitor),
		directory_test(are_set_aside),
	};

	return cmocka_run_group_tests_name("store records", tests, NULL, NULL);
}
