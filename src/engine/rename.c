// SPDX-License-Identifier: Apache-2.0
/* Another name for a container: it is on record before anybody finds it by that. */
#include "base/memory.h"
#include "engine/log_forward.h"
#include "engine/name_server.h"

static fallible rename_check(char **ret, const Container *container, const char *name)
{
	if (string_empty(name))
		return error_new(ERROR_INVALID, "Neither old nor new names may be empty");
	if (container->state == CONTAINER_REMOVING)
		return error_new(ERROR_CONFLICT, "container \"%s\" is being removed", container->record.name);
	if (string_equal(name + (*name == '/'), container->record.name))
		return error_new(ERROR_INVALID, "Renaming a container with the same name as its current name");
	TRY_WRAP(name_claim(ret, container->engine, name), "Error when allocating new name");
	return NULL;
}

static fallible rename_save(Container *container, char **name)
{
	char *old = container->record.name;
	Error *error;

	container->record.name = *name;
	error = container_save(container);
	*name = error ? container->record.name : old;
	if (error)
		container->record.name = old;
	return error;
}

fallible container_rename(Container *container, const char *name)
{
	autofree char *other = NULL, *shown = NULL;

	TRY(rename_check(&other, container, name));
	TRY(rename_save(container, &other));
	table_remove(container->engine->names, other); /* the old one now */
	table_set(container->engine->names, container->record.name, container);
	name_server_tell(container);
	log_forward_tell(container);
	shown = string_printf("/%s", other);
	container_event(container, "rename", "oldName", shown);
	return NULL;
}
