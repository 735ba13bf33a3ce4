// SPDX-License-Identifier: Apache-2.0
/* The directory of declared containers: what is read of it, what stays when that fails, and what is written there. */
#include "device/directory.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "check.h"
#include "json/value.h"

#define SECRET "secret"

/* As the device's own: "secret" in a text is in the clear, and "sealed" stands in its place. */
static Error *read_text(void *arg, Declaration *ret, StringList *ret_notes, char **ret_text, const char *text,
	size_t length, const char *name)
{
	autoptr(Value) document = NULL;
	const char *secret = strstr(text, SECRET);

	(void)arg;
	TRY(value_parse_yaml(&document, text, length));
	TRY(declaration_read(ret, document, value_get(document, "name") ? NULL : name));
	if (secret)
		*ret_text = string_printf("%.*ssealed%s", (int)(secret - text), text, secret + strlen(SECRET));
	strings_add(ret_notes, "read");
	return NULL;
}

static Directory *directory_at_path(void **state)
{
	return directory_new(*state, read_text, NULL);
}

static char *path_in(void **state, const char *name)
{
	return path_join(*state, name);
}

static void write_file(void **state, const char *name, const char *text)
{
	autofree char *path = path_in(state, name);

	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0644));
}

static void remove_file(void **state, const char *name)
{
	autofree char *path = path_in(state, name);

	check_ok(file_unlink(AT_FDCWD, path));
}

static char *text_of(void **state, const char *name)
{
	autofree char *path = path_in(state, name);
	char *text = NULL;

	check_ok(file_read(&text, NULL, AT_FDCWD, path, DECLARATION_MAX));
	return text;
}

/* True: something else is declared, or has another problem. */
static bool look(Directory *directory, bool *ret_again)
{
	bool has_changed, again;

	directory_read(directory, false, &has_changed, &again);
	if (ret_again)
		*ret_again = again;
	return has_changed;
}

/* What is gone is gone at once. */
static bool look_first(Directory *directory)
{
	bool has_changed, again;

	directory_read(directory, true, &has_changed, &again);
	assert_false(again);
	return has_changed;
}

static const char *image_of(const Directory *directory, const char *name)
{
	const DeclaredFile *file = directory_find(directory, name);

	return file ? file->declaration.spec.image : NULL;
}

static void check_problem(const Directory *directory, size_t index, const char *words)
{
	const DeclaredFile *file = directory_at(directory, index);

	assert_non_null(file->problem);
	if (!strstr(file->problem, words))
		fail_msg("\"%s\": %s, not \"%s\"", file->file, file->problem, words);
}

/* ---- reading ---- */

static void reads_what_declares(void **state)
{
	static const char *const others[] = {".web.yaml", "README", "web.yaml~", "web.yaml.swp", ".yaml", "x.toml"};
	autoptr(Directory) directory = directory_at_path(state);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		write_file(state, others[i], "image: other\n");
	write_file(state, "web.yml", "image: one\n");
	write_file(state, "db.json", "{\"image\": \"two\"}");
	write_file(state, "x.yaml", "name: third\nimage: three\n");
	assert_true(look(directory, NULL));
	assert_int_equal(directory_count(directory), 3);
	assert_string_equal(directory_at(directory, 0)->file, "db.json");
	assert_string_equal(image_of(directory, "db"), "two");
	assert_string_equal(image_of(directory, "web"), "one");
	assert_string_equal(image_of(directory, "third"), "three");
	assert_string_equal(directory_find(directory, "web")->notes.items[0], "read");
	assert_null(directory_find(directory, "x"));
	assert_false(look(directory, NULL)); /* nothing has changed */
}

static void etags_are_of_the_bytes(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	char before[ETAG_MAX];

	write_file(state, "web.yaml", "image: one\n");
	look(directory, NULL);
	memcpy(before, directory_find(directory, "web")->etag, ETAG_MAX);
	assert_int_equal(strlen(before), ETAG_MAX - 1);
	write_file(state, "web.yaml", "image: one\n"); /* another file, of the same bytes */
	assert_false(look(directory, NULL));
	assert_string_equal(directory_find(directory, "web")->etag, before);
	write_file(state, "web.yaml", "image:  one\n");
	assert_true(look(directory, NULL));
	assert_string_not_equal(directory_find(directory, "web")->etag, before);
	write_file(state, "web.yaml", "image: one\n");
	assert_true(look(directory, NULL));
	assert_string_equal(directory_find(directory, "web")->etag, before);
}

static void a_half_written_file_is_waited_for(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autofree char *path = path_in(state, "web.yaml"), *fresh = path_in(state, "fresh.yaml");
	autofd fd = -1, other = -1;
	bool again;

	write_file(state, "web.yaml", "image: one\n");
	look(directory, &again);
	assert_false(again);
	fd = open(path, O_WRONLY | O_TRUNC);
	other = open(fresh, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "image: two\n", 11), 11); /* whole, as it happens */
	assert_true(look(directory, &again));
	assert_true(again);
	check_problem(directory, 1, "it is being written");
	assert_string_equal(image_of(directory, "web"), "one");
	check_problem(directory, 0, "it is being written");
	assert_null(directory_find(directory, "fresh"));
	assert_true(directory_is_unclear(directory, "fresh")); /* and so whatever runs by that name is left alone */
	assert_false(directory_is_unclear(directory, "web"));
	close_fd(&fd);
	close_fd(&other);
	remove_file(state, "fresh.yaml");
	assert_true(look(directory, &again));
	assert_string_equal(image_of(directory, "web"), "two");
	assert_null(directory_find(directory, "web")->problem);
}

static void what_does_not_parse_changes_nothing(void **state)
{
	static const char *const texts[] = {
		"image: [", "", "image: 7\n", "image: a\nno-such: 1\n", "image: a\nname: b\n\xff"};
	autoptr(Directory) directory = directory_at_path(state);

	write_file(state, "web.yaml", "image: one\n");
	look(directory, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(state, "web.yaml", texts[i]);
		assert_true(look(directory, NULL));
		check_problem(directory, 0, "");
		assert_string_equal(image_of(directory, "web"), "one");
		assert_false(look(directory, NULL)); /* the same problem is no news */
	}
	write_file(state, "web.yaml", "image: two\n");
	assert_true(look(directory, NULL));
	assert_null(directory_at(directory, 0)->problem);
	assert_string_equal(image_of(directory, "web"), "two");
}

static void what_is_no_file_is_a_problem(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autofree char *pipe = path_in(state, "pipe.yaml"), *tree = path_in(state, "tree.yaml"),
		      *link = path_in(state, "link.yaml");

	assert_int_equal(mkfifo(pipe, 0600), 0); /* nobody waits for its other end */
	assert_int_equal(mkdir(tree, 0700), 0);
	assert_int_equal(symlink("/no/such", link), 0);
	assert_true(look(directory, NULL));
	check_problem(directory, 0, "No such file or directory");
	check_problem(directory, 1, "it is no file");
	check_problem(directory, 2, "it is no file");
}

/* A place that is not mounted for a while: the same file is there again. */
static void what_can_be_opened_again_has_no_problem(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autofree char *link = path_in(state, "web.yaml"), *place = path_in(state, "place"),
		      *aside = path_in(state, "aside"), *target = path_in(state, "place/web");

	assert_int_equal(mkdir(place, 0700), 0);
	write_file(state, "place/web", "image: one\n");
	assert_int_equal(symlink(target, link), 0);
	look(directory, NULL);
	assert_int_equal(rename(place, aside), 0);
	assert_true(look(directory, NULL));
	check_problem(directory, 0, "No such file or directory");
	assert_string_equal(image_of(directory, "web"), "one");
	assert_int_equal(rename(aside, place), 0);
	assert_true(look(directory, NULL));
	assert_null(directory_find(directory, "web")->problem);
}

static void two_files_of_one_name(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);

	write_file(state, "web.yaml", "image: one\n");
	look(directory, NULL);
	write_file(state, "aaa.yaml", "name: web\nimage: two\n"); /* before it in the order of names */
	assert_true(look(directory, NULL));
	check_problem(directory, 0, "container \"web\" is declared in \"web.yaml\" already");
	assert_string_equal(image_of(directory, "web"), "one");
	assert_false(look(directory, NULL));
	remove_file(state, "web.yaml");
	assert_true(look_first(directory));
	assert_string_equal(image_of(directory, "web"), "two");
	assert_null(directory_find(directory, "web")->problem);
}

static void two_new_files_of_one_name(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);

	write_file(state, "one.yaml", "name: web\nimage: one\n");
	write_file(state, "two.yaml", "name: web\nimage: two\n");
	look(directory, NULL);
	assert_string_equal(image_of(directory, "web"), "one");
	check_problem(directory, 1, "\"one.yaml\" already");
}

static void a_name_that_is_given_up_is_the_other_file_s(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);

	write_file(state, "one.yaml", "name: web\nimage: one\n");
	look(directory, NULL);
	write_file(state, "a.yaml", "name: web\nimage: two\n");
	look(directory, NULL);
	check_problem(directory, 0, "\"one.yaml\" already");
	write_file(state, "one.yaml", "name: shop\nimage: one\n");
	look(directory, NULL);
	assert_string_equal(image_of(directory, "web"), "two");
	assert_string_equal(image_of(directory, "shop"), "one");
	assert_null(directory_find(directory, "web")->problem);
}

/* ---- what goes ---- */

static void what_is_gone_must_stay_so(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	bool again;

	write_file(state, "web.yaml", "image: one\n");
	look(directory, NULL);
	remove_file(state, "web.yaml");
	assert_false(look(directory, &again));
	assert_true(again);
	assert_string_equal(image_of(directory, "web"), "one");
	write_file(state, "web.yaml", "image: one\n");
	assert_false(look(directory, &again));
	assert_false(again);
	remove_file(state, "web.yaml");
	look(directory, &again);
	usleep(DIRECTORY_AGAIN_NS / 1000);
	assert_true(look(directory, &again));
	assert_false(again);
	assert_int_equal(directory_count(directory), 0);
}

static void a_directory_that_goes_takes_nothing_with_it(void **state)
{
	autofree char *path = path_in(state, "d"), *aside = path_in(state, "aside"),
		      *file = path_in(state, "d/web.yaml");
	autoptr(Directory) directory = directory_new(path, read_text, NULL);

	assert_false(look(directory, NULL)); /* nobody has declared anything yet */
	assert_null(directory_problem(directory));
	assert_false(directory_is_unclear(directory, "web"));
	assert_int_equal(mkdir(path, 0755), 0);
	check_ok(file_replace(AT_FDCWD, file, "image: one\n", 11, 0644));
	look(directory, NULL);
	assert_int_equal(rename(path, aside), 0);
	assert_true(look(directory, NULL));
	assert_non_null(strstr(directory_problem(directory), "No such file or directory"));
	assert_string_equal(image_of(directory, "web"), "one");
	assert_int_equal(rename(aside, path), 0);
	assert_true(look(directory, NULL));
	assert_null(directory_problem(directory));
}

static void more_files_than_there_may_be(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	char name[32];

	write_file(state, "web.yaml", "image: one\n");
	look(directory, NULL);
	for (int i = 0; i < DECLARED_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "x%d.yaml", i);
		write_file(state, name, "image: x\n");
	}
	assert_true(look(directory, NULL));
	assert_string_equal(directory_problem(directory), "more than 1024 files declare containers");
	assert_int_equal(directory_count(directory), 1);
	remove_file(state, "x7.yaml");
	look(directory, NULL);
	assert_null(directory_problem(directory));
	assert_int_equal(directory_count(directory), DECLARED_FILES_MAX);
	autoclear(Declaration) one_more = {0};
	declaration_copy(&one_more, &directory_find(directory, "web")->declaration);
	string_replace(&one_more.name, "more");
	check_error(
		directory_put(directory, &one_more, NULL), ERROR_TOO_LARGE, "1024 files declare containers already");
}

/* ---- what counted before ---- */

static void what_is_recalled_counts_until_the_file_can_be_read(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autoclear(Declaration) web = {0}, gone = {0};
	autoptr(Value) document = NULL;

	check_ok(value_parse_yaml(&document, "image: before", 13));
	check_ok(declaration_read(&web, document, "web"));
	check_ok(declaration_read(&gone, document, "gone"));
	directory_recall(directory, "web.yaml", &web);
	directory_recall(directory, "gone.yaml", &gone);
	write_file(state, "web.yaml", "image: [");
	assert_true(look_first(directory));
	assert_string_equal(image_of(directory, "web"), "before");
	assert_string_equal(directory_find(directory, "web")->etag, "");
	assert_null(directory_find(directory, "gone"));
	write_file(state, "web.yaml", "image: after");
	look(directory, NULL);
	assert_string_equal(image_of(directory, "web"), "after");
}

/* ---- writing ---- */

static void read_one(Declaration *ret, const char *text, const char *name)
{
	autoptr(Value) document = NULL;

	check_ok(value_parse_yaml(&document, text, strlen(text)));
	check_ok(declaration_read(ret, document, name));
}

static void writes_where_it_is_declared(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autoclear(Declaration) web = {0}, db = {0};
	char etag[ETAG_MAX];
	struct stat status;

	write_file(state, "shop.json", "{\"name\": \"web\", \"image\": \"one\"}");
	look(directory, NULL);
	read_one(&web, "image: two", "web");
	read_one(&db, "image: three", "db");
	check_ok(directory_put(directory, &web, etag));
	check_ok(directory_put(directory, &db, NULL));
	check_text(text_of(state, "shop.json"), "{\"name\":\"web\",\"image\":\"two\"}");
	check_text(text_of(state, "db.yaml"), "name: db\nimage: three\n");
	autofree char *path = path_in(state, "db.yaml");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_string_equal(directory_find(directory, "web")->etag, etag);
	assert_false(look(directory, NULL)); /* what was written was read */
	check_ok(directory_remove(directory, "db"));
	check_error(directory_remove(directory, "db"), ERROR_NOT_FOUND, "no container \"db\" is declared");
	assert_int_not_equal(stat(path, &status), 0);
	assert_false(look(directory, NULL));
}

/* Somebody else's file of that name is not a part of what is declared. */
static void a_file_that_declares_another_is_not_overwritten_by_a_name(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autoclear(Declaration) web = {0};

	write_file(state, "web.yaml", "name: other\nimage: one\n");
	look(directory, NULL);
	read_one(&web, "image: two", "web");
	check_error(directory_put(directory, &web, NULL), ERROR_CONFLICT,
		"container \"web\" cannot be declared in \"web.yaml\", which declares \"other\"");
	assert_string_equal(image_of(directory, "other"), "one");
	check_text(text_of(state, "web.yaml"), "name: other\nimage: one\n");
}

static void secrets_are_replaced(void **state)
{
	autoptr(Directory) directory = directory_at_path(state);
	autofree char *path = path_in(state, "web.yaml");
	struct stat status;

	write_file(state, "web.yaml", "image: secret\n");
	assert_true(look(directory, NULL));
	check_text(text_of(state, "web.yaml"), "image: sealed\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_false(look(directory, NULL));                         /* what is there by now is what its ETag is of */
	write_file(state, "zzz.yaml", "name: web\nimage: secret\n"); /* also of one that does not count */
	look(directory, NULL);
	check_problem(directory, 1, "\"web.yaml\" already");
	check_text(text_of(state, "zzz.yaml"), "name: web\nimage: sealed\n");
}

/* ---- one that cannot be written ---- */

static bool make_read_only(const char *path)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	return mount(path, path, NULL, MS_BIND, NULL) == 0 &&
	       mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

static void a_read_only_directory_is_the_writer_s_error_alone(void **state)
{
	autofree char *path = path_in(state, "d"), *file = path_in(state, "d/web.yaml");
	autoptr(Directory) directory = directory_new(path, read_text, NULL);
	autoclear(Declaration) web = {0}, fresh = {0};
	Error *error;

	assert_int_equal(mkdir(path, 0755), 0);
	check_ok(file_replace(AT_FDCWD, file, "image: secret\n", 14, 0644));
	if (!make_read_only(path))
		skip();
	assert_true(look(directory, NULL));
	assert_null(directory_problem(directory));
	const DeclaredFile *read = directory_find(directory, "web");
	assert_null(read->problem);
	assert_non_null(strstr(read->notes.items[1], "its password stays in the clear: "));
	read_one(&web, "image: two", "web");
	read_one(&fresh, "image: two", "fresh");
	error = directory_put(directory, &web, NULL);
	assert_non_null(error);
	assert_non_null(strstr(error_message(error), "web.yaml"));
	assert_non_null(strstr(error_message(error), "Read-only file system"));
	error_free(error);
	error = directory_put(directory, &fresh, NULL);
	assert_int_equal(error_number(error), EROFS);
	error_free(error);
	error = directory_remove(directory, "web");
	assert_int_equal(error_number(error), EROFS);
	error_free(error);
	assert_int_equal(directory_count(directory), 1);
	assert_string_equal(image_of(directory, "web"), "secret");
	assert_false(look(directory, NULL));
	assert_int_equal(umount(path), 0);
	check_ok(directory_put(directory, &web, NULL));
	assert_string_equal(image_of(directory, "web"), "two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(reads_what_declares),
		directory_test(etags_are_of_the_bytes),
		directory_test(a_half_written_file_is_waited_for),
		directory_test(what_does_not_parse_changes_nothing),
		directory_test(what_is_no_file_is_a_problem),
		directory_test(what_can_be_opened_again_has_no_problem),
		directory_test(two_files_of_one_name),
		directory_test(two_new_files_of_one_name),
		directory_test(a_name_that_is_given_up_is_the_other_file_s),
		directory_test(what_is_gone_must_stay_so),
		directory_test(a_directory_that_goes_takes_nothing_with_it),
		directory_test(more_files_than_there_may_be),
		directory_test(what_is_recalled_counts_until_the_file_can_be_read),
		directory_test(writes_where_it_is_declared),
		directory_test(a_file_that_declares_another_is_not_overwritten_by_a_name),
		directory_test(secrets_are_replaced),
		directory_test(a_read_only_directory_is_the_writer_s_error_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
