// SPDX-License-Identifier: Apache-2.0
/*
 * Other limits for a container: checked as a whole, written to its control groups when it runs, recorded. The kernel
 * may take long over a write (less memory than is used is reclaimed first), so that a child does it; who updates the
 * same container meanwhile waits.
 */
#include <stdlib.h>

#include "base/aside.h"
#include "base/memory.h"
#include "engine/container_internal.h"
#include "runtime/cgroup_limits.h"

typedef struct Update {
	List link; /* in its container's */
	Container *container;
	ContainerUpdate wanted;
	ContainerSpec spec; /* what the record's becomes; after that, what it was */
	StringList warnings;
	int64_t run;
	Aside *aside;
	Source *told;
	Error *error; /* while what was done is undone */
	ContainerUpdateDone *done;
	void *arg;
} Update;

static const size_t numbers[] = {offsetof(ContainerSpec, memory), offsetof(ContainerSpec, memory_reservation),
	offsetof(ContainerSpec, memory_swap), offsetof(ContainerSpec, nano_cpus), offsetof(ContainerSpec, cpu_shares),
	offsetof(ContainerSpec, cpu_period), offsetof(ContainerSpec, cpu_quota), offsetof(ContainerSpec, blkio_weight)};
static const size_t texts[] = {offsetof(ContainerSpec, cpuset_cpus), offsetof(ContainerSpec, cpuset_mems)};

/* ---- checks, in Docker's words ---- */

static fallible check_cpu_time(const ContainerSpec *now, const ContainerSpec *wanted)
{
	if (wanted->nano_cpus && (now->cpu_period || now->cpu_quota))
		return error_new(ERROR_CONFLICT,
			"Conflicting options: Nano CPUs cannot be updated as CPU %s has already been set",
			now->cpu_period ? "Period" : "Quota");
	if (now->nano_cpus && (wanted->cpu_period || wanted->cpu_quota))
		return error_new(ERROR_CONFLICT,
			"Conflicting options: CPU %s cannot be updated as NanoCPUs has already been set",
			wanted->cpu_period ? "Period" : "Quota");
	return NULL;
}

static fallible check_swap(const ContainerSpec *now, const ContainerSpec *wanted)
{
	if (!wanted->memory_swap && now->memory_swap > 0 && wanted->memory > now->memory_swap)
		return error_new(ERROR_CONFLICT, "Memory limit should be smaller than already set memoryswap limit, "
						 "update the memoryswap at the same time");
	return NULL;
}

static fallible update_check(const Container *container, const ContainerUpdate *update)
{
	const ContainerSpec *now = &container->record.spec, *wanted = &update->limits;

	if (container->state == CONTAINER_REMOVING || container->remove_when_dead)
		return error_new(ERROR_CONFLICT, "container is marked for removal and cannot be \"update\"");
	if (container->state == CONTAINER_STARTING)
		return error_new(ERROR_CONFLICT, "it is being started");
	if (update->has_restart_policy && wanted->restart_policy != RESTART_NO && now->auto_remove)
		return error_new(ERROR_CONFLICT,
			"Restart policy cannot be updated because AutoRemove is enabled for the container");
	TRY(check_cpu_time(now, wanted));
	return check_swap(now, wanted);
}

/* ---- the new spec ---- */

static void merge(ContainerSpec *spec, const ContainerUpdate *update)
{
	const ContainerSpec *wanted = &update->limits;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t number = *(const int64_t *)((const char *)wanted + numbers[i]);
		if (number)
			*(int64_t *)((char *)spec + numbers[i]) = number;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = *(char *const *)((const char *)wanted + texts[i]);
		if (!string_empty(text))
			string_replace((char **)((char *)spec + texts[i]), text);
	}
	if (update->has_pids_limit)
		spec->pids_limit = wanted->pids_limit;
	if (update->has_restart_policy) {
		spec->restart_policy = wanted->restart_policy;
		spec->restart_max = wanted->restart_max;
	}
}

/* ---- control groups: in the child ---- */

static fallible write_groups(const Update *update, const ContainerSpec *from, const ContainerSpec *to)
{
	const Container *container = update->container;

	return cgroup_limits_change(container->engine->cgroups, container->cgroup, from, to);
}

static fallible restore_groups(const void *arg)
{
	const Update *update = arg;

	return write_groups(update, &update->spec, &update->container->record.spec);
}

static fallible change_groups(const void *arg)
{
	const Update *update = arg;
	Error *error = write_groups(update, &update->container->record.spec, &update->spec);
	Error *undo = error ? restore_groups(update) : NULL;

	if (undo)
		error_log(undo, "container \"%s\": some limits stay changed", update->container->record.name);
	return error;
}

static fallible start_child(Update *update, AsideWork *work, AsideDone *done)
{
	return aside_start(&update->aside, update->container->engine->loop, work, update, -1, done, update);
}

/* ---- the record ---- */

static void swap_specs(ContainerSpec *a, ContainerSpec *b)
{
	ContainerSpec other = *a;

	*a = *b;
	*b = other;
}

/* The record's spec becomes `spec`, and the other way round; nothing changes on failure. */
static fallible save_spec(Update *update)
{
	ContainerSpec *now = &update->container->record.spec;
	Error *error;

	if (update->container->removed)
		return error_new(ERROR_NOT_FOUND, "No such container: %s", update->container->id);
	swap_specs(now, &update->spec);
	error = container_save(update->container);
	if (error)
		swap_specs(now, &update->spec);
	return error;
}

/* ---- life ---- */

static void update_free(Update *update)
{
	list_remove(&update->link);
	aside_free(update->aside);
	source_free(update->told);
	container_unref(update->container);
	fields_clear(container_spec_fields, &update->wanted.limits);
	fields_clear(container_spec_fields, &update->spec);
	strings_clear(&update->warnings);
	free(update);
}
DEFINE_AUTOPTR(Update, update_free)

static void end_update(Update *update, Error *take_error);

static fallible prepare(Update *update)
{
	Container *container = update->container;
	Engine *engine = container->engine;

	TRY(update_check(container, &update->wanted));
	fields_copy(container_spec_fields, &update->spec, &container->record.spec);
	merge(&update->spec, &update->wanted);
	TRY(spec_check_limits(&update->spec));
	cgroup_limits_drop(engine->cgroups, engine->config.cgroup_parent, &update->spec, &update->warnings);
	update->run = container->record.run;
	return NULL;
}

static void saved(void *arg)
{
	end_update(arg, NULL);
}

static void undone(void *arg, Error *take_error)
{
	Update *update = arg;

	if (take_error)
		error_log(take_error, "container \"%s\": some limits stay changed", update->container->record.name);
	end_update(update, take(update->error));
}

static void undo(Update *update, Error *take_reason)
{
	Error *error;

	update->error = take_reason;
	update->aside = aside_free(update->aside);
	error = start_child(update, restore_groups, undone);
	if (error)
		undone(update, error);
}

static void written(void *arg, Error *take_error)
{
	Update *update = arg;
	const Container *container = update->container;
	bool is_live = container_is_live(container), is_same = is_live && container->record.run == update->run;

	if (take_error && is_same) {
		end_update(update, take_error);
		return;
	}
	error_free(take_error); /* its control groups went with it */
	if (is_live && !is_same) {
		end_update(update, error_new(ERROR_CONFLICT, "it was started again meanwhile"));
		return;
	}
	take_error = save_spec(update);
	if (take_error && is_same)
		undo(update, take_error);
	else
		end_update(update, take_error);
}

static fallible begin(Update *update)
{
	TRY(prepare(update));
	if (container_is_live(update->container))
		return start_child(update, change_groups, written);
	TRY(save_spec(update));
	return loop_defer(&update->told, update->container->engine->loop, saved, update);
}

static fallible wrapped(const Update *update, Error *error)
{
	return error ? error_wrap(error, "Cannot update container %s", update->container->id) : NULL;
}

static void begin_next(Container *container)
{
	Update *update;
	Error *error;

	if (list_empty(&container->updates))
		return;
	update = list_entry(container->updates.next, Update, link);
	error = begin(update);
	if (error)
		end_update(update, error);
}

static void end_update(Update *update, Error *take_error)
{
	Container *container = container_ref(update->container);

	if (!take_error)
		container_event(container, "update", NULL, NULL);
	update->done(update->arg, wrapped(update, take_error), &update->warnings);
	update_free(update);
	begin_next(container);
	container_unref(container);
}

static Update *update_new(Container *container, const ContainerUpdate *wanted, ContainerUpdateDone *done, void *arg)
{
	Update *update = mem_new(Update);

	*update = (Update){.container = container_ref(container), .wanted = *wanted, .done = done, .arg = arg};
	update->wanted.limits = (ContainerSpec){0};
	fields_copy(container_spec_fields, &update->wanted.limits, &wanted->limits);
	list_append(&container->updates, &update->link);
	return update;
}

fallible container_update(Container *container, const ContainerUpdate *wanted, ContainerUpdateDone *done, void *arg)
{
	bool is_first = list_empty(&container->updates);
	autoptr(Update) update = update_new(container, wanted, done, arg);

	if (is_first)
		TRY(wrapped(update, begin(update)));
	take(update);
	return NULL;
}

void container_updates_end(Container *container, const Error *error)
{
	while (!list_empty(&container->updates)) {
		Update *update = list_entry(container->updates.next, Update, link);
		update->done(update->arg, error_copy(error), &update->warnings);
		update_free(update);
	}
}
