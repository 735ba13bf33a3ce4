// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtimes.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "layers.h"

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
	check_ok(runtimes_find(&runtimes, &configured, "mine"));
	return runtimes;
}

static void test_versions(void **state)
{
	static const struct {
		const char *script, *version;
		bool is_crun, ready_made;
	} cases[] = {
		{"echo crun version 1.8.1; echo commit: x", "crun version 1.8.1", true, true},
		{"echo crun version 1.7", "crun version 1.7", true, true},
		{"echo crun version 1.6.2", "crun version 1.6.2", true, false},
		{"echo crun version 0.19", "crun version 0.19", true, false},
		{"echo crun version 2.0", "crun version 2.0", true, true},
		{"echo crun version UNKNOWN", "crun version UNKNOWN", true, false},
		{"echo runc version 1.8.1", "runc version 1.8.1", false, false},
		{"echo crun version 1.8.1; exit 1", NULL, false, false},
		{"exit 0", NULL, false, false},
		{"kill -9 $$", NULL, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoptr(Runtimes) runtimes = find(*state, cases[i].script);
		const Runtime *runtime = runtimes_get(runtimes, NULL);
		assert_string_equal(runtime->name, "mine");
		assert_true(string_equal(runtime->version, cases[i].version));
		assert_int_equal(runtime->is_crun, cases[i].is_crun);
		assert_int_equal(runtime->takes_ready_made_seccomp, cases[i].ready_made);
	}
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
	check_ok(runtimes_find(&runtimes, &configured, NULL));
	assert_in_range((clock_monotonic_ns() - start) / NANOS_PER_MILLI, 0, 3500);
	for (size_t i = 0; i < configured.count; i++)
		assert_null(runtimes_get(runtimes, configured.items[i].key)->version);
}

static void test_names(void **state)
{
	autofree char *path = put_program(*state, "mine", "echo crun version 1.8.1");
	autoclear(StringMap) configured = {0};
	autoclear(StringList) names = {0};
	autoptr(Runtimes) runtimes = NULL;

	map_set(&configured, "mine", path);
	map_set(&configured, "runc", path); /* a configured one goes before what is in PATH */
	check_ok(runtimes_find(&runtimes, &configured, "runc"));
	assert_string_equal(runtimes_default(runtimes), "runc");
	assert_string_equal(runtimes_get(runtimes, NULL)->path, path);
	assert_null(runtimes_get(runtimes, "other"));
	runtimes_names(runtimes, &names);
	assert_true(strings_has(&names, "mine"));
	assert_int_equal(strings_has(&names, "crun"), runtimes_get(runtimes, "crun") != NULL);
}

static void test_errors(void **state)
{
	autoclear(StringMap) relative = {0}, absent = {0}, none = {0};
	Runtimes *runtimes = NULL;

	(void)state;
	map_set(&relative, "mine", "bin/crun");
	map_set(&absent, "mine", "/nowhere/crun");
	check_invalid(
		runtimes_find(&runtimes, &relative, NULL), "path \"bin/crun\" of runtime \"mine\" must be absolute");
	check_invalid(runtimes_find(&runtimes, &absent, NULL),
		"runtime \"mine\": \"/nowhere/crun\" is not an executable file");
	check_invalid(runtimes_find(&runtimes, &none, "kata"),
		"default runtime \"kata\" is neither configured nor installed");
	assert_null(runtimes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_versions),
		directory_test(test_bad_manners),
		directory_test(test_names),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
