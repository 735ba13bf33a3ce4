// SPDX-License-Identifier: Apache-2.0
/*
 * Commit: a kedge-pack process writes the container's changes as a layer, which becomes an image as an import's does.
 * The container stands still only until they are read. Source: moby daemon/commit.go.
 */
#include "engine/commit.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/export.h"
#include "engine/import.h"
#include "oci/change.h"

#define PAUSE_MARK "paused-by-commit"

typedef struct Commit {
	Container *container;
	ImageImport *import; /* which this goes with */
	Pack *pack;
	Reference reference;
	bool has_reference, pauses;
	char *comment;
	bool is_pausing; /* freed when that has come to its end */
	bool has_paused;
	bool is_over;
	Source *begin;
} Commit;

/* ---- pausing: a kedged that dies meanwhile leaves a mark, and the next one thaws the container ---- */

static void set_mark(const Container *container, bool is_there)
{
	autofree char *path = path_join(container->bundle, PAUSE_MARK);
	Error *error = is_there ? file_replace(AT_FDCWD, path, "", 0, 0600) : file_unlink(AT_FDCWD, path);

	error_free(error); /* the container has just ended */
}

void container_commit_thaw(Container *container)
{
	autofree char *path = path_join(container->bundle, PAUSE_MARK);
	Error *error;

	if (!file_exists(AT_FDCWD, path))
		return;
	error = container->state == CONTAINER_PAUSED ? container_go_on(container) : NULL;
	if (error)
		error_log(error, "container \"%s\": it was paused for a commit", container->record.name);
	set_mark(container, false);
}

/* Commits at the same time share a pause, from when the first asks for it: the last one ends it. */
static void share_pause(Commit *commit)
{
	commit->has_paused = true;
	commit->container->commit_pauses++;
}

static void end_pause(Commit *commit)
{
	if (commit->has_paused && --commit->container->commit_pauses == 0)
		container_commit_thaw(commit->container);
	commit->has_paused = false;
}

/* There is none. */
static void forget_pause(Commit *commit)
{
	commit->has_paused = false;
	if (--commit->container->commit_pauses == 0)
		set_mark(commit->container, false);
}

/* ---- feeding ---- */

static void on_data(void *arg, const char *data, size_t length)
{
	Commit *commit = arg;
	Error *error = image_import_data(commit->import, data, length);

	if (!error)
		return;
	commit->pack = pack_free(commit->pack);
	image_import_fail(commit->import, error);
}

static void on_packed(void *arg, Error *take_error)
{
	Commit *commit = arg;

	commit->pack = pack_free(commit->pack);
	end_pause(commit);
	if (take_error)
		image_import_fail(commit->import, take_error);
	else
		image_import_finish(commit->import);
}

static void start_packing(Commit *commit)
{
	static const PackHandlers handlers = {.data = on_data, .ended = on_packed};
	Error *error = fault("engine.commit.pack");

	if (!error)
		error = container_changes(&commit->pack, commit->container, true, &handlers, commit);
	if (error)
		image_import_fail(commit->import, error);
}

/* ---- life ---- */

static void release(Commit *commit)
{
	end_pause(commit);
	container_unref(commit->container);
	reference_clear(&commit->reference);
	free(commit->comment);
	free(commit);
}

static void commit_over(void *arg)
{
	Commit *commit = arg;

	commit->is_over = true;
	commit->begin = source_free(commit->begin);
	commit->pack = pack_free(commit->pack);
	if (!commit->is_pausing)
		release(commit);
}

/* One that ended before it was paused needs no pause. */
static void on_paused(void *arg, Error *take_error)
{
	Commit *commit = arg;

	commit->is_pausing = false;
	if (take_error)
		forget_pause(commit);
	if (commit->is_over) {
		error_free(take_error); /* nobody waits for it any more */
		release(commit);
	} else if (take_error && error_kind(take_error) != ERROR_CONFLICT) {
		image_import_fail(commit->import, take_error);
	} else {
		error_free(take_error); /* it has ended */
		start_packing(commit);
	}
}

static void on_begin(void *arg)
{
	Commit *commit = arg;
	Container *container = commit->container;
	Error *error = NULL;

	commit->begin = source_free(commit->begin);
	if (commit->pauses && container->state == CONTAINER_PAUSED && container->commit_pauses > 0)
		share_pause(commit);
	if (!commit->pauses || container->state != CONTAINER_RUNNING) {
		start_packing(commit);
		return;
	}
	set_mark(container, true);
	share_pause(commit);
	commit->is_pausing = true;
	error = container_pause(container, on_paused, commit);
	if (error)
		on_paused(commit, error);
}

/* ---- what it becomes ---- */

static void on_recorded(void *arg, const Digest *id)
{
	Commit *commit = arg;
	autofree char *name = commit->has_reference ? reference_familiar(&commit->reference) : mem_strdup("");
	autoclear(StringMap) attributes = {0};

	if (commit->has_reference)
		event_emit(commit->container->engine, "image", "tag", id->text, "name", name, NULL);
	map_set(&attributes, "comment", commit->comment);
	map_set(&attributes, "imageID", id->text);
	map_set(&attributes, "imageRef", name);
	container_event_with(commit->container, "commit", &attributes);
}

static void run_config(ImageConfig *ret, const ContainerSpec *spec, const ImageConfig *image)
{
	string_replace(&ret->config.user, spec->user);
	string_replace(&ret->config.workdir, spec->workdir);
	string_replace(&ret->config.stop_signal, spec->stop_signal);
	strings_copy(&ret->config.env, &spec->env);
	strings_copy(&ret->config.entrypoint, &spec->entrypoint);
	strings_copy(&ret->config.command, &spec->command);
	strings_copy(&ret->config.exposed_ports, &spec->exposed_ports);
	strings_copy(&ret->config.volumes, &spec->volumes);
	map_copy(&ret->config.labels, &spec->labels);
	strings_copy(&ret->config.shell, &image->config.shell);
	strings_copy(&ret->config.on_build, &image->config.on_build);
	if (spec->health.test.count) {
		ret->config.health = mem_new(HealthCheck);
		fields_copy(health_check_fields, ret->config.health, &spec->health);
	}
}

static void add_history(ImageConfig *config, const ContainerSpec *spec)
{
	size_t count = config->history.count;
	HistoryEntry *entries = mem_array(config->history.items, count + 1, sizeof(HistoryEntry));

	entries[count] = (HistoryEntry){.created = mem_strdup(config->created),
		.created_by = strings_join(&spec->command, " "),
		.author = mem_strdup(config->author),
		.comment = mem_strdup(config->comment)};
	config->history.items = entries;
	config->history.count = count + 1;
}

static fallible make_config(
	ImageConfig *ret, const Container *container, const Image *base, const CommitRequest *request)
{
	const ContainerSpec *spec = &container->record.spec;
	autoclear(ImageConfig) image = {0}, own = {0};
	char now[CLOCK_TEXT_MAX];

	TRY(image_describe(&image, container->engine, base));
	run_config(&own, spec, &image);
	if (request->config)
		image_config_fill(ret, request->config);
	else
		image_config_fill(ret, &own);
	for (size_t i = 0; i < request->changes->count; i++)
		TRY(image_config_change(ret, request->changes->items[i]));
	image_config_fill(ret, &own);
	clock_format(now, clock_wall_ns());
	string_replace(&ret->created, now);
	string_replace(&ret->author, request->author ? request->author : "");
	string_replace(&ret->comment, request->comment ? request->comment : "");
	string_replace(&ret->architecture, image.architecture);
	string_replace(&ret->os, image.os);
	string_replace(&ret->variant, image.variant);
	string_replace(&ret->parent, base->id.text);
	string_replace(&ret->rootfs_type, "layers");
	strings_copy(&ret->diff_ids, &image.diff_ids);
	ret->history = image.history;
	image.history = (FieldArray){0};
	add_history(ret, spec);
	return NULL;
}

static fallible check_state(const Container *container)
{
	if (container->state == CONTAINER_DEAD)
		return error_new(ERROR_CONFLICT, "You cannot commit container %s which is Dead", container->id);
	if (container->state == CONTAINER_REMOVING)
		return error_new(
			ERROR_CONFLICT, "You cannot commit container %s which is being removed", container->id);
	return NULL;
}

static Commit *commit_new(Container *container, const CommitRequest *request)
{
	Commit *commit = mem_new(Commit);

	commit->container = container_ref(container);
	commit->pauses = request->pauses;
	commit->comment = mem_strdup(request->comment ? request->comment : "");
	commit->has_reference = request->reference != NULL;
	if (request->reference)
		reference_copy(&commit->reference, request->reference);
	return commit;
}

fallible container_commit(Job **ret, Container *container, const CommitRequest *request)
{
	Engine *engine = container->engine;
	autoclear(ImageConfig) config = {0};
	autoptr(Image) base = NULL;

	TRY(check_state(container));
	TRY(image_pinned(&base, engine->store, container->id));
	if (!base)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	TRY(make_config(&config, container, base, request));
	Commit *commit = commit_new(container, request);
	const ImageImportHooks hooks = {on_recorded, commit_over, commit};
	const NewImage image = {&config, base, request->reference, "commit the container"};
	Error *error = image_import_begin_new(&commit->import, ret, engine, &image, &hooks);
	if (error) {
		release(commit);
		return error;
	}
	return loop_defer(&commit->begin, engine->loop, on_begin, commit);
}
