// SPDX-License-Identifier: Apache-2.0
/* Volumes' records against their directories: what kedged may have died in, and what somebody's hands may have done. */
#include "store/volumes.h"

#include "base/memory.h"
#include "fixture.h"
#include "store/records.h"

static void remove_in(const char *root, const char *path)
{
	autofree char *whole = path_join(root, path);

	check_ok(tree_remove(AT_FDCWD, whole));
}

static void write_in(const char *root, const char *path)
{
	autofree char *whole = path_join(root, path);
	autofree char *parent = mem_strndup(whole, (size_t)(strrchr(whole, '/') - whole));

	check_ok(dir_make_all(AT_FDCWD, parent, 0700));
	check_ok(file_replace(AT_FDCWD, whole, "x", 1, 0600));
}

static bool is_in(const char *root, const char *path)
{
	autofree char *whole = path_join(root, path);

	return file_exists(AT_FDCWD, whole);
}

static void rename_in(const char *root, const char *from, const char *to)
{
	autofree char *whole_from = path_join(root, from), *whole_to = path_join(root, to);

	assert_int_equal(rename(whole_from, whole_to), 0);
}

static void note_json(void *arg, const char *id, const char *name, const char *json)
{
	char **text = arg;

	(void)name;
	if (strcmp(id, "web") == 0)
		string_replace(text, json);
}

/* The record of "web"; NULL: none. */
static char *record_of_web(Store *store)
{
	char *text = NULL;

	check_ok(record_each(store, "volume", note_json, &text));
	return text;
}

static void checks_names(void **state)
{
	static const char *const good[] = {"ab", "A.b-c_9", "00"};
	static const char *const bad[] = {"", "a", ".ab", "-ab", "_ab", "a b", "a/b", "..", "~ab",
		"\xc3\xa4"
		"b"};
	char longest[VOLUME_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(volume_name_is_valid(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(volume_name_is_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[VOLUME_NAME_MAX + 1] = '\0';
	assert_false(volume_name_is_valid(longest));
	longest[VOLUME_NAME_MAX] = '\0';
	assert_true(volume_name_is_valid(longest));
}

static void makes_and_removes(void **state)
{
	autoptr(Store) store = store_at(*state);

	check_ok(volume_put(store, "web", "{\"a\":1}"));
	write_in(*state, "volumes/web/_data/f");
	check_ok(volume_put(store, "web", "{\"a\":2}"));
	assert_true(is_in(*state, "volumes/web/_data/f"));
	autofree char *json = record_of_web(store);
	assert_string_equal(json, "{\"a\":2}");
	check_ok(volume_delete(store, "web"));
	check_ok(volume_delete(store, "web"));
	assert_null(record_of_web(store));
	assert_int_equal(entries_in(store, "volumes"), 0);
	check_invalid(volume_put(store, "../x", "{}"), "cannot use \"../x\" as a volume's name");
}

static void keeps_data_without_a_record(void **state)
{
	store_close(store_at(*state));
	write_in(*state, "volumes/web/_data/f");
	write_in(*state, "volumes/no volume/f");
	autoptr(Store) store = store_at(*state);
	autofree char *json = record_of_web(store);
	assert_string_equal(json, "{}");
	assert_true(is_in(*state, "volumes/web/_data/f"));
	assert_true(is_in(*state, "volumes/no volume/f"));
}

static void gives_a_lost_record_back(void **state)
{
	Store *store = store_at(*state);

	check_ok(volume_put(store, "web", "{\"labels\":{\"a\":\"b\"}}"));
	store_close(store);
	remove_in(*state, "kedge.db");
	store = store_at(*state);
	autofree char *json = record_of_web(store);
	assert_string_equal(json, "{\"labels\":{\"a\":\"b\"}}");
	store_close(store);
}

static void drops_what_a_creation_began(void **state)
{
	Store *store = store_at(*state);

	check_ok(volume_put(store, "web", "{}"));
	check_ok(record_delete(store, "volume", "web"));
	store_close(store);
	store = store_at(*state);
	assert_null(record_of_web(store));
	assert_int_equal(entries_in(store, "volumes"), 0);
	store_close(store);
}

static void makes_a_missing_directory(void **state)
{
	Store *store = store_at(*state);

	check_ok(volume_put(store, "web", "{}"));
	store_close(store);
	remove_in(*state, "volumes/web");
	store = store_at(*state);
	assert_true(is_in(*state, "volumes/web/_data"));
	assert_int_equal(problems_in(store, false), 0);
	store_close(store);
}

/* Before the record was deleted nothing has happened, and after it everything. */
static void ends_a_removal(void **state)
{
	Store *store = store_at(*state);

	check_ok(volume_put(store, "web", "{}"));
	write_in(*state, "volumes/web/_data/f");
	store_close(store);
	rename_in(*state, "volumes/web", "volumes/~web");
	store = store_at(*state);
	assert_true(is_in(*state, "volumes/web/_data/f"));
	check_ok(record_delete(store, "volume", "web"));
	store_close(store);
	rename_in(*state, "volumes/web", "volumes/~web");
	store = store_at(*state);
	assert_int_equal(entries_in(store, "volumes"), 0);
	store_close(store);
}

static void ends_a_copy(void **state)
{
	Store *store = store_at(*state);

	check_ok(volume_put(store, "web", "{}"));
	check_ok(volume_put(store, "half", "{}"));
	store_close(store);
	write_in(*state, "volumes/web/_data/moved");
	write_in(*state, "volumes/web/" VOLUME_COPIED "/deep/f");
	write_in(*state, "volumes/half/" VOLUME_COPY "/f");
	store = store_at(*state);
	assert_true(is_in(*state, "volumes/web/_data/moved"));
	assert_true(is_in(*state, "volumes/web/_data/deep/f"));
	assert_false(is_in(*state, "volumes/web/" VOLUME_COPIED));
	assert_false(is_in(*state, "volumes/half/" VOLUME_COPY));
	assert_int_equal(entries_in(store, "volumes/half/_data"), 0);
	store_close(store);
}

static void tells_of_what_is_wrong(void **state)
{
	autoptr(Store) store = store_at(*state);

	check_ok(volume_put(store, "web", "{}"));
	check_ok(volume_put(store, "gone", "{}"));
	assert_int_equal(problems_in(store, false), 0);
	write_in(*state, "volumes/stray/_data/f");
	remove_in(*state, "volumes/gone");
	assert_int_equal(problems_in(store, false), 2);
	assert_int_equal(problems_in(store, true), 2);
	assert_int_equal(problems_in(store, false), 0);
	assert_true(is_in(*state, "volumes/stray/_data/f"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_names),
		directory_test(makes_and_removes),
		directory_test(keeps_data_without_a_record),
		directory_test(gives_a_lost_record_back),
		directory_test(drops_what_a_creation_began),
		directory_test(makes_a_missing_directory),
		directory_test(ends_a_removal),
		directory_test(ends_a_copy),
		directory_test(tells_of_what_is_wrong),
	};

	return cmocka_run_group_tests_name("store volumes", tests, NULL, NULL);
}
