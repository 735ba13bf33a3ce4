// SPDX-License-Identifier: Apache-2.0
/* What a command in a container is to be: the container's own process, but for what the caller has asked for. */
#include <string.h>

#include "base/memory.h"
#include "engine/exec_internal.h"
#include "runtime/bundle.h"
#include "store/snapshots.h"

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

fallible exec_process_write(Buffer *out, Container *container, const ExecSpec *spec)
{
	autoclear(ContainerSpec) merged = {0};
	char hostname[256];
	UserIds user;

	merge(&merged, &container->record.spec, spec);
	TRY(resolve_user(&user, container, &merged));
	container_hostname(hostname, container);
	const BundleInput input = {
		.id = container->id,
		.spec = &merged,
		.user = &user,
		.hostname = hostname,
		.apparmor = container->engine->apparmor,
	};
	return bundle_write_process(out, &input, &spec->command);
}
