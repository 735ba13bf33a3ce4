// SPDX-License-Identifier: Apache-2.0
/* What device requests come to where a specification, NVIDIA's hook, or neither is there. */
#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/words.h"
#include "runtime/device_requests.h"

#include "check.h"

static void write_spec(const char *directory, const char *name, const char *text)
{
	autofree char *path = path_join(directory, name);

	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0700));
}

static Value *capabilities(const char *text)
{
	Value *value;

	check_ok(value_parse(&value, text, strlen(text)));
	return value;
}

/* One request, with "directory" for specifications and programs. */
static Error *resolve(CdiEdits *edits, StringList *notes, const DeviceRequest *request, const char *directory,
	bool runtime_is_nvidia_s)
{
	autoclear(StringList) directories = {0};
	const FieldArray requests = {(void *)request, 1};

	strings_add(&directories, directory);
	return device_requests_resolve(
		edits, &requests, &(DeviceSources){&directories, directory, runtime_is_nvidia_s}, notes);
}

#define ONE                                                                                                            \
	"{\"cdiVersion\":\"0.6.0\",\"kind\":\"a.b/"                                                                    \
	"c\",\"devices\":[{\"name\":\"x\",\"containerEdits\":{\"env\":[\"X=1\"]}}]}"

static void test_optional(void **state)
{
	autoclear(CdiEdits) edits = {0};
	autoclear(StringList) notes = {0}, ids = {0};

	strings_add(&ids, "a.b/c=x");
	strings_add(&ids, "a.b/c=y");
	write_spec(*state, "one.json", ONE);
	check_ok(resolve(&edits, &notes, &(DeviceRequest){.driver = (char *)"cdi", .ids = ids, .optional = true},
		*state, false));
	assert_int_equal(edits.env.count, 0); /* all that it asks for, or nothing */
	assert_int_equal(notes.count, 1);
	assert_true(string_starts(notes.items[0], "CDI device \"a.b/c=y\" is not there"));
	assert_true(string_ends(notes.items[0], ": it is left out"));
	strings_remove(&ids, 1);
	check_ok(resolve(&edits, &notes, &(DeviceRequest){.driver = (char *)"cdi", .ids = ids, .optional = true},
		*state, false));
	check_text(strings_join(&edits.env, " "), "X=1");
	assert_int_equal(notes.count, 1);
}

static void test_optional_gpus(void **state)
{
	autoclear(CdiEdits) edits = {0};
	autoclear(StringList) notes = {0};
	autoptr(Value) words = capabilities("[[\"gpu\"]]");

	check_ok(resolve(
		&edits, &notes, &(DeviceRequest){.count = -1, .capabilities = words, .optional = true}, *state, false));
	assert_int_equal(notes.count, 1);
	assert_int_equal(edits.env.count, 0);
	check_error(resolve(&edits, &notes, &(DeviceRequest){.count = -1, .capabilities = words}, *state, false),
		ERROR_INVALID, "could not select device driver \"\" with capabilities: [[gpu]]");
}

/* Such a runtime reads the environment by itself: a hook would do it twice. */
static void test_nvidia_s_runtime(void **state)
{
	autoclear(CdiEdits) edits = {0}, hooked = {0};
	autoclear(StringList) notes = {0};
	autoptr(Value) words = capabilities("[[\"gpu\",\"video\",\"compute\"]]");
	const DeviceRequest request = {.count = 2, .capabilities = words};

	check_ok(resolve(&edits, &notes, &request, *state, true));
	check_text(
		strings_join(&edits.env, " "), "NVIDIA_VISIBLE_DEVICES=0,1 NVIDIA_DRIVER_CAPABILITIES=compute,video");
	assert_int_equal(edits.hooks.count, 0);
	write_spec(*state, "nvidia-container-runtime-hook", "#!/bin/sh\n");
	check_ok(resolve(&hooked, &notes, &request, *state, false));
	assert_int_equal(hooked.hooks.count, 1);
	assert_string_equal(((const CdiHook *)hooked.hooks.items)[0].name, "prestart");
}

/* Edits that come with any device of a specification come once, also from several requests. */
static void test_common_edits(void **state)
{
	static const char text[] = "{\"cdiVersion\":\"0.6.0\",\"kind\":\"a.b/"
				   "c\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/ctl\"}]},"
				   "\"devices\":[{\"name\":\"x\"},{\"name\":\"y\"}]}";
	autoclear(CdiEdits) edits = {0};
	autoclear(StringList) notes = {0}, directories = {0}, x = {0}, y = {0};

	write_spec(*state, "two.json", text);
	strings_add(&directories, *state);
	strings_add(&x, "a.b/c=x");
	strings_add(&y, "a.b/c=y");
	DeviceRequest requests[] = {{.driver = (char *)"cdi", .ids = x}, {.driver = (char *)"cdi", .ids = y}};
	check_ok(device_requests_resolve(
		&edits, &(FieldArray){requests, 2}, &(DeviceSources){&directories, "/nowhere", false}, &notes));
	assert_int_equal(edits.nodes.count, 1);
}

static void test_names(void **state)
{
	static const char *const good[] = {"vendor.com/class=name", "a/b=0", "a.b/c_d-e=x:1.y_z-0"};
	static const char *const bad[] = {"", "/dev/null", "vendor.com/class", "vendor.com/class=", "/class=name",
		"vendor.com/=name", "1a/b=c", "a/1b=c", "a/b=-c", "a/b=c-", "a/b=c d", "a/b/c=d", "a./b=c", "a=b/c"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(device_word_is_cdi(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (device_word_is_cdi(bad[i]))
			fail_msg("\"%s\" is no name of a CDI device", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_optional),
		directory_test(test_optional_gpus),
		directory_test(test_nvidia_s_runtime),
		directory_test(test_common_edits),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
