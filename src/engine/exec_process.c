// SPDX-License-Identifier: Apache-2.0
/* What a command in a container is to be: the container's own process, but for what the caller has asked for. */
#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "engine/exec_internal.h"
#include "engine/network_internal.h"
#include "runtime/bundle.h"
#include "runtime/plan.h"
#include "store/snapshots.h"

const char exec_process_name[] = "process.json", exec_plan_name[] = "plan";

static void merge_env(StringList *env, const StringList *own)
{
	for (size_t i = 0; i < own->count; i++) {
		if (strchr(own->items[i], '='))
			strings_env_set(env, own->items[i]);
		else
			strings_env_remove(env, own->items[i]);
	}
}

/* Every capability, and nothing else: what `docker exec --privileged` gives. */
static void give_all_capabilities(ContainerSpec *spec)
{
	strings_clear(&spec->cap_drop);
	strings_clear(&spec->cap_add);
	strings_add(&spec->cap_add, "ALL");
}

static void merge(ContainerSpec *ret, const ContainerSpec *container, const ExecSpec *spec)
{
	fields_copy(container_spec_fields, ret, container);
	merge_env(&ret->env, &spec->env);
	string_replace(&ret->user, spec->user);
	string_replace(&ret->workdir, spec->workdir);
	ret->tty = spec->tty;
	ret->console_rows = spec->console_rows;
	ret->console_columns = spec->console_columns;
	if (spec->privileged)
		give_all_capabilities(ret);
}

static fallible resolve_user(UserIds *ret, const Container *container, const ContainerSpec *spec)
{
	autoptr(Image) image = NULL;
	autoclear(StringList) directories = {0};

	TRY(image_pinned(&image, container->engine->store, container->id));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	snapshot_directories(container->engine->store, container->id, image, &directories);
	return user_resolve(ret, spec->user, &spec->groups, &directories);
}

static fallible write_process(Buffer *out, Container *container, const ExecSpec *spec)
{
	autoclear(ContainerSpec) merged = {0};
	autoclear(StringList) variables = {0};
	char hostname[256];
	UserIds user;

	merge(&merged, &container->record.spec, spec);
	TRY(resolve_user(&user, container, &merged));
	container_hostname(hostname, container);
	links_variables(&variables, container);
	const BundleInput input = {
		.id = container->id,
		.spec = &merged,
		.user = &user,
		.hostname = hostname,
		.apparmor = container->engine->apparmor,
		.link_variables = &variables,
	};
	return bundle_write_process(out, &input, &spec->command, spec->tty);
}

/* The container's own, whatever more the command may do. */
static fallible write_filter(Buffer *out, const Container *container)
{
	const BundleInput input = {
		.spec = &container->record.spec, .seccomp = container->engine->seccomp, .seccomp_ready_made = true};

	return bundle_write_filter(out, &input);
}

static fallible write_plan(Buffer *out, bool *ret_is_planned, const Container *container, const Buffer *process)
{
	autoclear(Buffer) filter = {0};

	TRY(write_filter(&filter, container));
	const PlanExecInput input = {
		.id = container->id,
		.pid = container->record.pid,
		.cgroup = container->cgroup,
		.process = process,
		.filter = filter.length ? buffer_text(&filter) : NULL,
		.cgroups = container->engine->cgroups,
	};
	plan_exec_write(out, ret_is_planned, &input);
	return NULL;
}

fallible exec_process_write(bool *ret_is_planned, const Exec *exec)
{
	autoclear(Buffer) process = {0}, plan = {0};
	bool is_planned = false;

	TRY(write_process(&process, exec->container, &exec->spec));
	if (exec->container->is_planned && !exec->spec.tty)
		TRY(write_plan(&plan, &is_planned, exec->container, &process));
	const Buffer *text = is_planned ? &plan : &process;
	autofree char *path = path_join(exec->directory, is_planned ? exec_plan_name : exec_process_name);
	*ret_is_planned = is_planned;
	return file_replace(AT_FDCWD, path, text->data, text->length, 0600);
}
