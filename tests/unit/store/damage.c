// SPDX-License-Identifier: Apache-2.0
/* A database that somebody or some disk has damaged: opening always works, and keeps what can be read. */
#include <sqlite3.h>

#include "fixture.h"

enum { IMAGES = 6, CONTAINERS = 24 };

static const char reference_form[] = "image%d";

static char *long_document(int number)
{
	autofree char *padding = calloc(1, 2001);

	memset(padding, 'a' + number % 26, 2000);
	return string_printf("{\"number\":%d,\"padding\":\"%s\"}", number, padding);
}

static void fill(Store *store)
{
	for (int i = 1; i <= IMAGES; i++) {
		autofree char *name = string_printf(reference_form, i);
		put_image(store, i, i, 2, name);
	}
	for (int i = 1; i <= CONTAINERS; i++) {
		autofree char *json = long_document(i), *name = string_printf("container%d", i);
		Digest id = numbered(CONFIGS + 1 + i % IMAGES);
		check_ok(snapshot_make(store, container_id(i)));
		check_ok(record_put(store, "container", container_id(i), name, json));
		check_ok(image_pin(store, container_id(i), &id));
	}
}

static void make_full(const char *root)
{
	autoptr(Store) store = store_at(root);

	fill(store);
}

static char *database_path(const char *root)
{
	return path_join(root, "kedge.db");
}

static void overwrite(const char *root, int64_t offset, size_t length, int byte)
{
	autofree char *path = database_path(root), *garbage = malloc(length);
	autofd fd = open(path, O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; i < length; i++)
		garbage[i] = (char)(byte < 0 ? rand() : byte);
	assert_int_equal(pwrite(fd, garbage, length, offset), length);
}

static void count_record(void *arg, const char *id, const char *name, const char *json)
{
	int number = (int)strtol(id, NULL, 16);
	autofree char *expected = long_document(number);

	(void)name;
	assert_string_equal(json, expected);
	++*(int *)arg;
}

static int count_records(Store *store)
{
	int count = 0;

	check_ok(record_each(store, "container", count_record, &count));
	return count;
}

static bool check_whole(void *arg, Image *take)
{
	autoptr(Image) image = take;

	assert_int_equal(image->layer_count, 2);
	++*(int *)arg;
	return true;
}

static int count_images(Store *store)
{
	int count = 0;

	check_ok(image_each(store, check_whole, &count));
	return count;
}

/* Opens whatever it is; all that is there is right, all works, and a repair leaves nothing. */
static void check_usable(const char *root, int *ret_records, int *ret_images)
{
	autoptr(Store) store = store_at(root);

	*ret_records = count_records(store);
	*ret_images = count_images(store);
	assert_int_equal(entries_in(store, "containers"), CONTAINERS);
	check_ok(store_collect(store));
	put_image(store, 77, 77, 2, "another");
	check_ok(record_put(store, "container", container_id(77), "another", "{}"));
	check_ok(snapshot_make(store, container_id(77)));
	check_ok(record_delete(store, "container", container_id(77)));
	check_ok(snapshot_discard(store, container_id(77)));
	int problems = 0;
	check_ok(store_check(store, true, print_problem, &problems));
	assert_int_equal(problems_in(store, false), 0);
	assert_true(has_image(store, "another"));
}

static int64_t size_of_database(const char *root)
{
	autofree char *path = database_path(root);
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

static void check_page(
	const char *directory, const char *template, int64_t offset, size_t length, int byte, int *ret_kept)
{
	autofree char *root = path_join(directory, "copy"),
		      *command = string_printf("cp -a --reflink=auto '%s' '%s'", template, root);
	int records = 0, images = 0;

	assert_int_equal(system(command), 0);
	overwrite(root, offset, length, byte);
	check_usable(root, &records, &images);
	*ret_kept += records + images;
	check_ok(tree_remove(AT_FDCWD, root));
}

static void costs_little_page_by_page(void **state)
{
	autofree char *template = path_join(*state, "template");
	int kept = 0, pages = 0;

	srand(1);
	make_full(template);
	int64_t size = size_of_database(template);
	for (int64_t offset = 0; offset < size; offset += 4096, pages++) {
		int before = kept;
		check_page(*state, template, offset, 4096, -1, &kept);
		print_message("page %d: %d of %d left\n", pages, kept - before, CONTAINERS + IMAGES);
	}
	assert_true(pages >= 20);
	/* Roots and the schema take a whole table with them; over all pages most is there. */
	assert_true(kept > pages * (CONTAINERS + IMAGES) * 7 / 10);
}

static void may_be_anywhere(void **state)
{
	autofree char *template = path_join(*state, "template");
	int kept = 0;

	srand(2);
	make_full(template);
	int64_t size = size_of_database(template);
	for (int i = 0; i < 60; i++)
		check_page(*state, template, rand() % (size - 64), 1 + rand() % 64, i % 3 ? -1 : 0, &kept);
	assert_true(kept > 60 * (CONTAINERS + IMAGES) / 2);
}

static void may_be_total(void **state)
{
	int records = -1, images = -1;

	make_full(*state);
	overwrite(*state, 0, (size_t)size_of_database(*state), -1);
	check_usable(*state, &records, &images);
	assert_int_equal(records, 0);
	assert_int_equal(images, 0);
}

static void may_be_an_empty_or_missing_file(void **state)
{
	autofree char *path = database_path(*state);
	int records = -1, images = -1;

	make_full(*state);
	assert_int_equal(truncate(path, 0), 0);
	check_usable(*state, &records, &images);
	assert_int_equal(records, 0);
}

static void keeps_running_containers_layers(void **state)
{
	autofree char *path = database_path(*state);

	make_full(*state);
	assert_int_equal(truncate(path, 0), 0);
	Store *store = store_at(*state);
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), IMAGES + 1);
	store_close(store);
	store = store_at(*state);
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), IMAGES + 1);
	assert_int_equal(entries_in(store, "containers"), CONTAINERS);
	/* Pulled again, it takes the layers that are there. */
	check_ok(try_image(store, 1, 1, 2, "image1"));
	assert_true(has_image(store, "image1"));
	store_close(store);
}

static void keeps_the_file(void **state)
{
	autofree char *bad = path_join(*state, "kedge.db.bad-1");
	int records = 0, images = 0;

	make_full(*state);
	overwrite(*state, 0, 4096, 0);
	{
		autoptr(Store) store = store_at(*state);
		assert_true(file_exists(AT_FDCWD, bad));
		assert_false(file_exists(store_dir(store), "kedge.db.new"));
	}
	check_usable(*state, &records, &images);
	assert_false(file_exists(AT_FDCWD, bad));
}

static void execute(const char *root, const char *sql)
{
	autofree char *path = database_path(root);
	sqlite3 *handle = NULL;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(handle));
	sqlite3_close(handle);
}

static void in_one_record_sets_that_one_aside(void **state)
{
	make_full(*state);
	execute(*state,
		"UPDATE records SET json = replace(json, '\"number\":7,', '\"number\":8,') WHERE name = 'container7'");
	Store *store = store_at(*state);
	assert_int_equal(problems_in(store, false), 1);
	assert_int_equal(count_records(store), CONTAINERS - 1);
	assert_int_equal(count_records(store), CONTAINERS - 1);
	store_close(store);
	store = store_at(*state);
	assert_int_equal(entries_in(store, "containers"), CONTAINERS);
	assert_int_equal(problems_in(store, true), 2); /* its pin too */
	assert_int_equal(entries_in(store, "containers"), CONTAINERS - 1);
	assert_int_equal(problems_in(store, false), 0);
	store_close(store);
}

static char *tree_listing(const char *root)
{
	autofree char *command = string_printf(
		"cd '%s' && find . -printf '%%p %%s %%T@ %%m\\n' | sort; sha256sum '%s'/kedge.db*", root, root);
	FILE *pipe = popen(command, "r");
	autoclear(Buffer) out = {0};
	char line[1024];

	while (fgets(line, sizeof(line), pipe))
		buffer_add_text(&out, line);
	pclose(pipe);
	return buffer_steal(&out);
}

static void is_not_what_a_newer_version_is(void **state)
{
	Store *store = NULL;

	make_full(*state);
	execute(*state, "PRAGMA user_version = 9");
	autofree char *before = tree_listing(*state);
	Error *error = store_open(&store, *state);
	assert_int_equal(error_kind(error), ERROR_UNSUPPORTED);
	assert_non_null(strstr(error_message(error), "written by a newer kedge: its version is 9"));
	assert_non_null(error_hint_text(error));
	error_free(error);
	check_text(tree_listing(*state), before);
}

/* The version is in the WAL alone: the newer kedged died before a checkpoint. */
static void is_not_what_a_newer_version_left_in_its_wal(void **state)
{
	autofree char *path = database_path(*state), *aside = path_join(*state, "aside"),
		      *wal = path_join(*state, "kedge.db-wal");
	autofree char *command = string_printf("cp '%s' '%s.db' && cp '%s' '%s.wal'", path, aside, wal, aside);
	autofree char *back =
		string_printf("mv '%s.db' '%s' && mv '%s.wal' '%s' && rm -f '%s-shm'", aside, path, aside, wal, path);
	sqlite3 *handle = NULL;
	Store *store = NULL;

	make_full(*state);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, "PRAGMA user_version = 9", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(system(command), 0);
	sqlite3_close(handle);
	assert_int_equal(system(back), 0);
	autofree char *before = tree_listing(*state);
	Error *error = store_open(&store, *state);
	assert_int_equal(error_kind(error), ERROR_UNSUPPORTED);
	error_free(error);
	check_text(tree_listing(*state), before);
}

static void is_another_applications_database(void **state)
{
	int records = 0, images = 0;

	make_full(*state);
	execute(*state, "PRAGMA application_id = 77");
	check_usable(*state, &records, &images);
	assert_int_equal(records, CONTAINERS);
	assert_int_equal(images, IMAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(costs_little_page_by_page),
		directory_test(may_be_anywhere),
		directory_test(may_be_total),
		directory_test(may_be_an_empty_or_missing_file),
		directory_test(keeps_running_containers_layers),
		directory_test(keeps_the_file),
		directory_test(in_one_record_sets_that_one_aside),
		directory_test(is_not_what_a_newer_version_is),
		directory_test(is_not_what_a_newer_version_left_in_its_wal),
		directory_test(is_another_applications_database),
	};

	return cmocka_run_group_tests_name("store damage", tests, NULL, NULL);
}
