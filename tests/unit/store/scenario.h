// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A life of a store in numbered steps, run in a process of its own so that it can be made to fail or be killed at any
 * fault point. After each step it appends a byte to the file <acknowledged>; what was acknowledged must be true after
 * any end.
 */
#include <sys/wait.h>

#include "base/fault.h"
#include "base/memory.h"
#include "fixture.h"

/* From here on the WAL is written in the space that it has: a sync of it no longer takes other changes of the file
 * system along. */
static Error *turn_wal_over(Store *store)
{
	autofree char *json = mem_alloc(200001);

	for (int i = 1; i <= 8; i++) {
		memset(json, 'a' + i, 200000);
		TRY(record_put(store, "filler", "one", NULL, json));
	}
	return record_delete(store, "filler", "one");
}

static Error *step_layers(Store *store)
{
	TRY(turn_wal_over(store));
	for (int i = 1; i <= 3; i++)
		TRY(try_layer(store, i));
	return NULL;
}

static Error *step_image(Store *store)
{
	return try_image(store, 1, 1, 2, "one");
}

static Error *step_second_image(Store *store)
{
	return try_image(store, 2, 2, 2, "two");
}

static Error *create_steps(void *arg)
{
	Digest id = numbered(CONFIGS + 1);

	TRY(record_put(arg, "container", container_id(1), "web", "{\"state\":\"created\"}"));
	return image_pin(arg, container_id(1), &id);
}

static Error *step_create(Store *store)
{
	TRY(snapshot_make(store, container_id(1)));
	Error *error = store_batch(store, create_steps, store);
	if (error)
		check_ok(snapshot_discard(store, container_id(1)));
	return error;
}

static Error *step_change(Store *store)
{
	return record_put(store, "container", container_id(1), "web", "{\"state\":\"running\"}");
}

static Error *step_tag(Store *store)
{
	autoclear(Reference) reference = {0};
	Digest id = numbered(CONFIGS + 2);

	TRY(reference_parse(&reference, "three"));
	return image_tag(store, &id, &reference);
}

static Error *step_untag(Store *store)
{
	autoclear(Reference) reference = {0};
	bool was_there;

	TRY(reference_parse(&reference, "two"));
	return image_untag(store, &reference, &was_there);
}

static Error *step_delete(Store *store)
{
	Digest id = numbered(CONFIGS + 1);

	return image_delete(store, &id);
}

static Error *step_collect(Store *store)
{
	return store_collect(store);
}

static Error *step_remove(Store *store)
{
	TRY(record_delete(store, "container", container_id(1)));
	return snapshot_discard(store, container_id(1));
}

static Error *step_sweep(Store *store)
{
	bool has_more = true;

	while (has_more)
		TRY(store_sweep(store, &has_more));
	return NULL;
}

/* ---- what is true from the step that first acknowledged it, until the one that ends it ---- */

static bool record_says(Store *store, const char *wanted);

static bool are_layers_there(Store *store)
{
	bool is_there = true;
	Layer layer;

	for (int i = 1; is_there && i <= 3; i++) {
		Digest diff_id = numbered(LAYERS + i);
		check_ok(layer_find(store, &diff_id, &layer, &is_there));
	}
	return is_there;
}

static bool is_one_there(Store *store)
{
	return has_image(store, "one");
}

static bool is_two_there(Store *store)
{
	return has_image(store, "two");
}

static bool is_three_there(Store *store)
{
	return has_image(store, "three");
}

static bool is_created(Store *store)
{
	autoptr(Image) image = NULL;

	check_ok(image_pinned(&image, store, container_id(1)));
	autofree char *upper = snapshot_path(store, container_id(1), "upper");
	return image && image->layer_count == 2 && record_says(store, "{\"state\":\"created\"}") &&
	       file_exists(AT_FDCWD, upper);
}

static bool is_running(Store *store)
{
	return record_says(store, "{\"state\":\"running\"}");
}

static bool is_two_gone(Store *store)
{
	return !has_image(store, "two");
}

static bool is_one_gone(Store *store)
{
	return !has_image(store, "one");
}

static bool is_removed(Store *store)
{
	autoptr(Image) image = NULL;

	check_ok(image_pinned(&image, store, container_id(1)));
	return !image && record_says(store, NULL);
}

static const struct {
	Error *(*run)(Store *store);
	bool (*holds)(Store *store);
	int until; /* the step that may end it; 0: none */
} scenario[] = {
	{step_layers, are_layers_there, 8},
	{step_image, is_one_there, 7},
	{step_second_image, is_two_there, 6},
	{step_create, is_created, 4},
	{step_change, is_running, 9},
	{step_tag, is_three_there},
	{step_untag, is_two_gone},
	{step_delete, is_one_gone},
	{step_collect},
	{step_remove, is_removed},
	{step_collect},
	{step_sweep},
};

enum { STEPS = sizeof(scenario) / sizeof(*scenario) };

static void remember_json(void *arg, const char *id, const char *name, const char *json)
{
	(void)id;
	(void)name;
	string_replace(arg, json);
}

static bool record_says(Store *store, const char *wanted)
{
	autofree char *json = NULL;

	check_ok(record_each(store, "container", remember_json, &json));
	return string_equal(json, wanted);
}

static void report_real(void *arg, const char *problem)
{
	if (string_starts(problem, "nothing refers to"))
		return;
	++*(int *)arg;
	print_message("problem: %s\n", problem);
}

/* A removal that failed half way leaves what the next start drops. */
static void report_unless_dropped_at_start(void *arg, const char *problem)
{
	if (!string_starts(problem, "container directory") && !string_starts(problem, "layer directory"))
		report_real(arg, problem);
}

static bool check_files(void *arg, Image *take)
{
	autoptr(Image) image = take;
	autoclear(ImageConfig) config = {0};
	Store *store = arg;

	check_ok(image_read_config(&config, NULL, store, &image->id));
	assert_int_equal(config.diff_ids.count, image->layer_count);
	assert_true(digest_is_set(&image->manifest));
	for (size_t i = 0; i < image->layer_count; i++) {
		autofree char *path = string_printf("layers/%d/file", (int)image->layers[i].number), *text = NULL,
			      *blob = NULL;
		check_ok(file_read(&text, NULL, store_dir(store), path, 100));
		assert_string_equal(text, "content");
		check_ok(blob_read(&blob, NULL, store, &image->layers[i].blob, 100));
		assert_string_equal(blob, "compressed");
	}
	return true;
}

/* Whatever the end was: no problem but garbage, what is visible is whole, what was acknowledged is true. */
static void check_after(const char *root, int acknowledged)
{
	autoptr(Store) store = store_at(root);
	int problems = 0;

	check_ok(store_check(store, false, report_real, &problems));
	assert_int_equal(problems, 0);
	assert_in_range(entries_in(store, "staging"), 0, 2); /* partial blobs */
	check_ok(image_each(store, check_files, store));
	for (int i = 0; i < acknowledged; i++)
		if (scenario[i].holds && (!scenario[i].until || acknowledged < scenario[i].until) &&
			!scenario[i].holds(store))
			fail_msg("step %d was acknowledged and is not true after %d steps", i, acknowledged);
	check_ok(store_collect(store));
	sweep_all(store);
	assert_int_equal(problems_in(store, false), 0);
}

/* The other process. A failure ends it, after a look at what the failed call left behind. */
static int scenario_main(const char *root, const char *acknowledged)
{
	autoptr(Store) store = NULL;
	int problems = 0;

	autofd fd = open(acknowledged, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	Error *error = store_open(&store, root);
	for (int i = 0; !error && i < STEPS; i++) {
		error = scenario[i].run(store);
		if (!error && write(fd, ".", 1) != 1)
			return 2;
	}
	if (!error)
		return 0;
	error_log(error, "scenario");
	if (store && store_check(store, false, report_unless_dropped_at_start, &problems))
		return 3;
	return problems ? 4 : 1;
}

/* Gives the wait status; count_file or setting may be NULL. */
static int run_scenario(const char *root, const char *acknowledged, const char *setting, const char *count_file)
{
	pid_t pid = fork();

	if (!pid) {
		if (setting)
			setenv("KEDGE_FAULT", setting, 1);
		if (count_file)
			setenv("KEDGE_FAULT_COUNT", count_file, 1);
		execl("/proc/self/exe", "scenario", "scenario", root, acknowledged, NULL);
		_exit(127);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int count_acknowledged(const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 ? 0 : (int)status.st_size;
}

static int count_points(const char *directory)
{
	autofree char *root = path_join(directory, "count.root"), *file = path_join(directory, "count"),
		      *done = path_join(directory, "count.done");
	autofree char *text = NULL;

	assert_int_equal(run_scenario(root, done, NULL, file), 0);
	assert_int_equal(count_acknowledged(done), STEPS);
	check_after(root, STEPS);
	check_ok(file_read(&text, NULL, AT_FDCWD, file, 100));
	return atoi(text);
}
