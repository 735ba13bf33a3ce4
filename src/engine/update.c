// SPDX-License-Identifier: Apache-2.0
/* Other limits for a container: checked as a whole, written to its control groups when it runs, recorded. */
#include "base/memory.h"
#include "engine/container_internal.h"
#include "runtime/cgroup_limits.h"

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

/* ---- taking effect ---- */

static fallible update_groups(Container *container, const ContainerSpec *from, const ContainerSpec *to)
{
	if (!container_is_live(container))
		return NULL;
	return cgroup_limits_change(container->engine->cgroups, container->cgroup, from, to);
}

static void swap_specs(ContainerSpec *a, ContainerSpec *b)
{
	ContainerSpec other = *a;

	*a = *b;
	*b = other;
}

/* The record's spec becomes `spec`, and the other way round; nothing changes on failure. */
static fallible update_apply(Container *container, ContainerSpec *spec)
{
	ContainerSpec *now = &container->record.spec;
	Error *error = update_groups(container, now, spec), *undo;

	swap_specs(now, spec);
	if (!error)
		error = container_save(container);
	if (!error)
		return NULL;
	swap_specs(now, spec);
	undo = update_groups(container, spec, now);
	if (undo)
		error_log(undo, "container \"%s\": some limits stay changed", container->record.name);
	return error;
}

static fallible update_try(Container *container, const ContainerUpdate *update, StringList *ret_warnings)
{
	Engine *engine = container->engine;
	autoclear(ContainerSpec) spec = {0};

	TRY(update_check(container, update));
	fields_copy(container_spec_fields, &spec, &container->record.spec);
	merge(&spec, update);
	TRY(spec_check_limits(&spec));
	cgroup_limits_drop(engine->cgroups, engine->config.cgroup_parent, &spec, ret_warnings);
	return update_apply(container, &spec);
}

fallible container_update(Container *container, const ContainerUpdate *update, StringList *ret_warnings)
{
	TRY_WRAP(update_try(container, update, ret_warnings), "Cannot update container %s", container->id);
	container_event(container, "update", NULL, NULL);
	return NULL;
}
