// SPDX-License-Identifier: Apache-2.0
#include "engine/container.h"

#include <stdio.h>
#include <string.h>

#include "base/aside.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/memory.h"
#include "engine/admission.h"
#include "engine/log_forward.h"
#include "engine/network_cni.h"
#include "runtime/cgroup_limits.h"
#include "runtime/spec_words.h"
#include "store/images.h"
#include "store/records.h"
#include "store/snapshots.h"

static const char *const health_names[HEALTH_STATES] = {
	[HEALTH_NONE] = "none",
	[HEALTH_STARTING] = "starting",
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_UNHEALTHY] = "unhealthy",
};

const char *health_state_name(HealthState state)
{
	return health_names[state];
}

/* ---- completions ---- */

void completion_add(List *list, ContainerDone *done, void *arg)
{
	Completion *completion;

	if (!done)
		return;
	completion = mem_new(Completion);
	completion->done = done;
	completion->arg = arg;
	list_append(list, &completion->link);
}

void completions_finish(List *list, const Error *error)
{
	while (!list_empty(list)) {
		Completion *completion = list_entry(list->next, Completion, link);
		Error *copy = error ? error_copy(error) : NULL;

		list_remove(&completion->link);
		completion->done(completion->arg, copy);
		free(completion);
	}
}

typedef struct Later {
	ContainerDone *done;
	void *arg;
	Error *error;
} Later;

static void later_run(void *object)
{
	Later *later = object;

	later->done(later->arg, later->error);
	free(later);
}

void completion_later(Engine *engine, ContainerDone *done, void *arg, Error *take_error)
{
	Later *later;

	if (!done) {
		error_free(take_error); /* nobody asked */
		return;
	}
	later = mem_new(Later);
	*later = (Later){done, arg, take_error};
	loop_defer_free(engine->loop, later_run, later);
}

/* ---- life of the object ---- */

Container *container_new(Engine *engine, const char *id)
{
	Container *container = mem_new(Container);

	container->engine = engine;
	container->references = 1;
	snprintf(container->id, sizeof(container->id), "%s", id);
	container->bundle = string_printf("%s/containers/%s", engine->config.run_dir, id);
	container->state_directory = snapshot_path(engine->store, id, NULL);
	container->log_path = snapshot_path(engine->store, id, "container.log");
	container_place(container);
	container->network.namespace_fd = container->network.names_udp = container->network.names_tcp = -1;
	list_init(&container->link);
	list_init(&container->starts);
	list_init(&container->removals);
	list_init(&container->pauses);
	list_init(&container->fills);
	list_init(&container->updates);
	list_init(&container->waits);
	list_init(&container->attaches);
	list_init(&container->execs);
	list_init(&container->clients);
	container_spec_init(&container->record.spec);
	return container;
}

void container_place(Container *container)
{
	const char *parent = container->record.spec.cgroup_parent;
	autofree char *absolute =
		string_printf("/%s", string_empty(parent) ? container->engine->config.cgroup_parent : parent);
	autofree char *clean = spec_clean_path(absolute);

	free(container->cgroup);
	container->cgroup = string_printf("%s/%s", strcmp(clean, "/") == 0 ? "" : clean, container->id);
}

void container_free(Container *container)
{
	health_end(container);
	aside_free(container->preparing);
	container_retry_cancel(container);
	source_free(container->kill_timer);
	source_free(container->freezer);
	source_free(container->cleaner);
	shim_free(container->shim);
	cni_work_free(container->cni);
	endpoints_forget(container);
	for (size_t i = 0; i < container->health_log_count; i++)
		free(container->health_log[i].output);
	fields_clear(container_record_fields, &container->record);
	free(container->bundle);
	free(container->state_directory);
	free(container->log_path);
	free(container->cgroup);
	free(container);
}

Container *container_ref(Container *container)
{
	container->references++;
	return container;
}

static void container_free_deferred(void *container)
{
	container_free(container);
}

Container *container_unref(Container *container)
{
	if (container && --container->references == 0)
		loop_defer_free(container->engine->loop, container_free_deferred, container);
	return NULL;
}

void container_index(Container *container)
{
	Engine *engine = container->engine;

	table_set(engine->containers, container->id, container);
	table_set(engine->names, container->record.name, container);
	list_append(&engine->container_order, &container->link);
}

void container_unindex(Container *container)
{
	Engine *engine = container->engine;

	table_remove(engine->containers, container->id);
	table_remove(engine->names, container->record.name);
	list_remove(&container->link);
}

/* ---- create ---- */

static fallible create_name(char **ret, Engine *engine, const char *name)
{
	if (name)
		return name_claim(ret, engine, name);
	*ret = name_invent(engine);
	return NULL;
}

/* As much swap again as memory, as Docker has it. */
static void create_swap(ContainerSpec *spec, const Engine *engine)
{
	if (spec->memory > 0 && !spec->memory_swap && spec->memory <= INT64_MAX / 2 &&
		cgroup_limits_swap(engine->cgroups))
		spec->memory_swap = spec->memory * 2;
}

static fallible create_spec(
	Container *container, const ContainerSpec *spec, const Image *image, StringList *ret_warnings)
{
	ContainerSpec *ret = &container->record.spec;
	Engine *engine = container->engine;
	autoclear(ImageConfig) config = {0};

	TRY(image_read_config(&config, NULL, engine->store, &image->id));
	fields_copy(container_spec_fields, ret, spec);
	TRY(share_resolve(ret, engine));
	container_spec_merge_image(ret, &config);
	log_forward_resolve(ret, engine);
	create_swap(ret, engine);
	if (ret->binds.count)
		TRY(container_spec_parse_binds(ret));
	TRY(volumes_resolve(ret, engine));
	TRY(container_spec_check(ret));
	TRY(endpoints_resolve(ret, engine, ret_warnings));
	TRY(sources_check(ret));
	TRY(etc_files_check(engine, ret));
	if (ret->runtime && !runtimes_get(engine->runtimes, ret->runtime))
		return error_hint(error_new(ERROR_INVALID, "field \"runtime\": unknown runtime \"%s\"", ret->runtime),
			"crun and runc are found by themselves, others are listed in \"engine.runtimes\" of "
			"kedged.yaml");
	if (!ret->command.count && !ret->entrypoint.count)
		return error_new(ERROR_INVALID, "no command specified");
	TRY(admission_create(container, image, ret_warnings));
	return volumes_make(ret, engine);
}

typedef struct CreateSteps {
	Container *container;
	const Image *image;
} CreateSteps;

static fallible create_steps(void *arg)
{
	const CreateSteps *steps = arg;

	TRY(volumes_put_anonymous(&steps->container->record.spec, steps->container->engine));
	TRY(container_save(steps->container));
	return image_pin(steps->container->engine->store, steps->container->id, &steps->image->id);
}

/* Files first, then the record: a record without its files would be a bad state, files without a record are swept at
 * start. */
static fallible create_store(Container *container, const Image *image)
{
	Store *store = container->engine->store;
	CreateSteps steps = {container, image};
	Error *error;

	TRY(fault("engine.create.files"));
	TRY(snapshot_make(store, container->id));
	error = fault("engine.create.record");
	if (!error)
		error = store_batch(store, create_steps, &steps);
	if (error)
		error_free(snapshot_discard(store, container->id)); /* the first error is the one to tell */
	return error;
}

fallible container_create(
	Container **ret, Engine *engine, const char *name, const ContainerSpec *spec, StringList *ret_warnings)
{
	autoptr(Image) image = NULL;
	Container *container;
	char id[65];
	Error *error;

	TRY(image_lookup(&image, engine, spec->image));
	string_random_hex(id, 64);
	container = container_new(engine, id);
	container->record.image_id = mem_strdup(image->id.text);
	error = create_name(&container->record.name, engine, name);
	if (!error)
		error = create_spec(container, spec, image, ret_warnings);
	container_place(container);
	container->record.created_ns = clock_wall_ns();
	if (!error)
		cgroup_limits_drop(
			engine->cgroups, engine->config.cgroup_parent, &container->record.spec, ret_warnings);
	if (!error)
		error = create_store(container, image);
	if (error) {
		volumes_remove_anonymous(&container->record.spec, engine);
		container_free(container);
		return error;
	}
	container_index(container);
	container_event(container, "create", NULL, NULL);
	*ret = container;
	return NULL;
}

/* ---- find ---- */

static bool is_hex(const char *text)
{
	return *text && strspn(text, "0123456789abcdef") == strlen(text);
}

static fallible find_by_prefix(Container **ret, Engine *engine, const char *prefix)
{
	Container *found = NULL;
	size_t matches = 0;

	list_each(&engine->container_order, Container, link, container) {
		if (string_starts(container->id, prefix)) {
			found = container;
			matches++;
		}
	}
	if (matches > 1)
		return error_new(ERROR_CONFLICT, "container id prefix \"%s\" is ambiguous: %zu containers have it",
			prefix, matches);
	if (!found)
		return error_new(ERROR_NOT_FOUND, "No such container: %s", prefix);
	*ret = found;
	return NULL;
}

fallible container_find(Container **ret, Engine *engine, const char *name)
{
	Container *container;

	if (*name == '/')
		name++;
	container = table_get(engine->containers, name);
	if (!container)
		container = table_get(engine->names, name);
	if (container) {
		*ret = container;
		return NULL;
	}
	if (is_hex(name))
		return find_by_prefix(ret, engine, name);
	return error_new(ERROR_NOT_FOUND, "No such container: %.300s", name);
}

size_t container_list(Container ***ret, Engine *engine)
{
	size_t count = table_count(engine->containers), i = count;
	Container **list = mem_array(NULL, count + 1, sizeof(*list));

	list_each(&engine->container_order, Container, link, container)
		list[--i] = container;
	*ret = list;
	return count;
}

/* Its shim knows when it began; until an adopted one has said so, the record's wall clock has to do. */
static int64_t container_up_ns(const Container *container)
{
	if (!container_is_live(container) || container->state == CONTAINER_STARTING)
		return 0;
	return container->started_monotonic_ns ? clock_monotonic_ns() - container->started_monotonic_ns
					       : clock_wall_ns() - container->record.started_ns;
}

void container_view(const Container *container, ContainerView *ret)
{
	const ContainerRecord *record = &container->record;

	*ret = (ContainerView){
		.id = container->id,
		.name = record->name,
		.spec = &record->spec,
		.image_id = record->image_id,
		.state = container->state,
		.pid = container_is_live(container) ? (int)record->pid : 0,
		.exit_code = (int)record->exit_code,
		.oom_killed = record->oom_killed,
		.error = record->error ? record->error : "",
		.stopped_by_user = record->user_stopped,
		.stopped_for = record->stopped_for,
		.was_set_aside = record->set_aside,
		.ran_in_this_boot = string_equal(record->boot_id, container->engine->boot_id),
		.created_ns = record->created_ns,
		.started_ns = record->started_ns,
		.finished_ns = record->finished_ns,
		.up_ns = container_up_ns(container),
		.restart_count = record->restart_count,
		.health = container->health_state,
		.health_streak = container->health_streak,
		.health_log = container->health_log,
		.health_log_count = container->health_log_count,
		.log_path = container->log_path,
		.state_directory = container->state_directory,
		.gather_directory = container_gathers_log(container) ? container->bundle : NULL,
		.default_runtime = runtimes_default(container->engine->runtimes),
		.etc_directory = share_network_owner(container)->state_directory,
		.bundle = container->bundle,
		.volumes = container->engine->volumes_path,
		.cgroup = container->cgroup,
	};
}
