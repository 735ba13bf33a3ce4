// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtimes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/memory.h"
#include "layers.h"
#include "runtime/ready_made.h"

/* A program that answers as a runtime would. */
static char *put_program(const char *top, const char *name, const char *script)
{
	autofree char *text = string_printf("#!/bin/sh\n%s\n", script);
	char *path = layer_path(top, name);

	put_file(top, name, text);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static Runtimes *find(const char *top, const char *script)
{
	autofree char *path = put_program(top, "mine", script);
	autoclear(StringMap) configured = {0};
	Runtimes *runtimes = NULL;

	map_set(&configured, "mine", path);
	check_ok(runtimes_find(&runtimes, &configured, "mine", NULL));
	return runtimes;
}

static void test_versions(void **state)
{
	static const struct {
		const char *script, *version;
		bool is_crun;
	} cases[] = {
		{"echo crun version 1.8.1; echo commit: x", "crun version 1.8.1", true},
		{"echo crun version UNKNOWN", "crun version UNKNOWN", true},
		{"echo runc version 1.8.1", "runc version 1.8.1", false},
		{"echo crun version 1.8.1; exit 1", NULL, false},
		{"exit 0", NULL, false},
		{"kill -9 $$", NULL, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoptr(Runtimes) runtimes = find(*state, cases[i].script);
		const Runtime *runtime = runtimes_get(runtimes, NULL);
		assert_string_equal(runtime->name, "mine");
		assert_true(string_equal(runtime->version, cases[i].version));
		assert_int_equal(runtime->is_crun, cases[i].is_crun);
		assert_false(runtime->takes_ready_made_seccomp); /* not before it was tried */
	}
}

/* ---- versions are remembered ---- */

static char *version_of(const char *path, const char *memory)
{
	autoclear(StringMap) configured = {0};
	autoptr(Runtimes) runtimes = NULL;

	map_set(&configured, "mine", path);
	check_ok(runtimes_find(&runtimes, &configured, "mine", memory));
	return mem_strdup(runtimes_get(runtimes, "mine")->version);
}

/* true(1) says what it is; what stands for it in the file is believed as long as the program is the same one. */
static void test_versions_of_programs_are_remembered(void **state)
{
	autofree char *memory = layer_path(*state, "versions"), *program = layer_path(*state, "program");
	autofree char *text = NULL, *altered = NULL;
	size_t length = 0;

	check_ok(file_read(&text, &length, AT_FDCWD, "/bin/true", 1 << 20));
	check_ok(file_replace(AT_FDCWD, program, text, length, 0755));
	autofree char *asked = version_of(program, memory);
	assert_true(string_starts(asked, "true "));
	string_replace(&text, NULL);
	check_ok(file_read(&text, NULL, AT_FDCWD, memory, 1 << 16));
	altered = string_printf("%.*s\tremembered\n", (int)strcspn(text, "\t"), text);
	check_ok(file_replace(AT_FDCWD, memory, altered, strlen(altered), 0600));
	autofree char *recalled = version_of(program, memory);
	assert_string_equal(recalled, "remembered");
	assert_int_equal(utimensat(AT_FDCWD, program, NULL, 0), 0);
	autofree char *changed = version_of(program, memory);
	assert_string_equal(changed, asked);
	check_ok(file_replace(AT_FDCWD, memory, "nonsense\n\t\n", 11, 0600));
	autofree char *damaged = version_of(program, memory);
	assert_string_equal(damaged, asked);
}

static void test_versions_of_scripts_are_asked(void **state)
{
	autofree char *memory = layer_path(*state, "versions");
	autofree char *path = put_program(*state, "mine", "cat $0.says"), *says = string_printf("%s.says", path);

	check_ok(file_replace(AT_FDCWD, says, "crun version 1", 14, 0600));
	autofree char *first = version_of(path, memory);
	assert_string_equal(first, "crun version 1");
	check_ok(file_replace(AT_FDCWD, says, "crun version 2", 14, 0600));
	autofree char *second = version_of(path, memory);
	assert_string_equal(second, "crun version 2");
}

/* ---- ready-made filters ---- */

#define SAYS_VERSION "[ $1 = --version ] && { echo crun version 1.8.1; exit; }; echo >> $0.tried;"
#define REFUSES "echo 'exec container process `/probe`: Name not unique on network' >&2; exit 1"

static size_t times_tried(const char *top)
{
	autofree char *path = layer_path(top, "mine.tried"), *text = NULL;
	size_t length = 0;

	if (file_exists(AT_FDCWD, path))
		check_ok(file_read(&text, &length, AT_FDCWD, path, 100));
	return length;
}

static bool takes_ready_made(const char *top, const char *script)
{
	autoptr(Runtimes) runtimes = find(top, script);
	autofree char *run_dir = layer_path(top, "run"), *bundle = layer_path(top, "run/probe");

	check_ok(dir_make_all(AT_FDCWD, run_dir, 0700));
	runtimes_try_ready_made(runtimes, top, run_dir);
	assert_false(file_exists(AT_FDCWD, bundle));
	return runtimes_get(runtimes, "mine")->takes_ready_made_seccomp;
}

static void test_ready_made_is_tried(void **state)
{
	static const char *const not_taking[] = {
		SAYS_VERSION "echo 'exec container process `/probe`: Exec format error' >&2; exit 1",
		SAYS_VERSION "exit 0",
		SAYS_VERSION "exec sleep 60",
		"echo runc version 1.1.5; [ $1 = --version ] ||" REFUSES,
	};

	for (size_t i = 0; i < sizeof(not_taking) / sizeof(not_taking[0]); i++)
		assert_false(takes_ready_made(*state, not_taking[i]));
	assert_true(takes_ready_made(*state, SAYS_VERSION REFUSES));
}

static void test_what_passed_is_remembered(void **state)
{
	autofree char *passed = layer_path(*state, "ready-made");

	for (int i = 0; i < 3; i++)
		assert_true(takes_ready_made(*state, SAYS_VERSION REFUSES)); /* a program written anew each time */
	assert_int_equal(times_tried(*state), 3);
	autoptr(Runtimes) same = find(*state, SAYS_VERSION REFUSES);
	for (int i = 0; i < 3; i++) {
		runtimes_try_ready_made(same, *state, *state);
		assert_true(runtimes_get(same, "mine")->takes_ready_made_seccomp);
	}
	assert_int_equal(times_tried(*state), 4);
	check_ok(file_replace(AT_FDCWD, passed, "nonsense", 8, 0600));
	runtimes_try_ready_made(same, *state, *state);
	assert_true(runtimes_get(same, "mine")->takes_ready_made_seccomp);
	assert_int_equal(times_tried(*state), 5);
	assert_false(takes_ready_made(*state, SAYS_VERSION "exit 0")); /* replaced by one that cannot */
}

/* Some hang, also with their output closed, some never stop talking: all together cost one time limit, no more. */
static void test_bad_manners(void **state)
{
	static const char *const scripts[] = {
		"exec sleep 60", "exec >&-; exec sleep 60", "exec yes", "exec cat /dev/zero"};
	autoclear(StringMap) configured = {0};
	autoptr(Runtimes) runtimes = NULL;
	int64_t start = clock_monotonic_ns();

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		autofree char *name = string_printf("bad%zu", i), *path = put_program(*state, name, scripts[i]);
		map_set(&configured, name, path);
	}
	check_ok(runtimes_find(&runtimes, &configured, NULL, NULL));
	assert_in_range((clock_monotonic_ns() - start) / NANOS_PER_MILLI, 0, 3500);
	for (size_t i = 0; i < configured.count; i++)
		assert_null(runtimes_get(runtimes, configured.items[i].key)->version);
}

static void test_names(void **state)
{
	autofree char *path = put_program(*state, "mine", "echo crun version 1.8.1");
	autofree char *with_options = string_printf("%s --debug  --log-level=x", path);
	autoclear(StringMap) configured = {0}, list = {0};
	autoptr(Runtimes) runtimes = NULL;

	map_set(&configured, "mine", with_options);
	map_set(&configured, "runc", path); /* a configured one goes before what is in PATH */
	check_ok(runtimes_find(&runtimes, &configured, "runc", NULL));
	assert_string_equal(runtimes_default(runtimes), "runc");
	assert_string_equal(runtimes_get(runtimes, NULL)->path, path);
	assert_null(runtimes_get(runtimes, "other"));
	assert_string_equal(runtimes_get(runtimes, "mine")->path, path);
	assert_int_equal(runtimes_get(runtimes, "mine")->options.count, 2);
	assert_int_equal(runtimes_get(runtimes, "runc")->options.count, 0);
	runtimes_list(runtimes, &list);
	autofree char *shown = string_printf("%s --debug --log-level=x", path);
	assert_string_equal(map_get(&list, "mine"), shown);
	assert_string_equal(map_get(&list, "runc"), path);
	assert_int_equal(map_get(&list, "crun") != NULL, runtimes_get(runtimes, "crun") != NULL);
}

static void test_errors(void **state)
{
	autoclear(StringMap) relative = {0}, absent = {0}, none = {0};
	Runtimes *runtimes = NULL;

	(void)state;
	map_set(&relative, "mine", "bin/crun");
	map_set(&absent, "mine", "/nowhere/crun");
	check_invalid(runtimes_find(&runtimes, &relative, NULL, NULL),
		"path \"bin/crun\" of runtime \"mine\" must be absolute");
	check_invalid(runtimes_find(&runtimes, &absent, NULL, NULL),
		"runtime \"mine\": \"/nowhere/crun\" is not an executable file");
	check_invalid(runtimes_find(&runtimes, &none, "kata", NULL),
		"default runtime \"kata\" is neither configured nor installed");
	assert_null(runtimes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_versions),
		directory_test(test_versions_of_programs_are_remembered),
		directory_test(test_versions_of_scripts_are_asked),
		directory_test(test_ready_made_is_tried),
		directory_test(test_what_passed_is_remembered),
		directory_test(test_bad_manners),
		directory_test(test_names),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
