// SPDX-License-Identifier: Apache-2.0
/*
 * Namespaces of other containers ("container:NAME"). At create the name becomes an id, so that a rename or another
 * container of that name changes nothing. Each start joins what the other has then; a container that runs keeps what it
 * joined, whatever becomes of the other.
 */
#include <stdio.h>

#include "base/memory.h"
#include "engine/container_internal.h"
#include "runtime/spec_words.h"

enum { OWNERS_MAX = 16 };

/* ---- at create ---- */

/* What belongs to the network's owner alone. The words are Docker's. */
static fallible check_conflicts(const ContainerSpec *spec)
{
	const struct {
		bool is_given;
		const char *what;
	} parts[] = {
		{!string_empty(spec->hostname), "hostname and the network mode"},
		{spec->extra_hosts.count > 0, "custom host-to-IP mapping and the network mode"},
		{spec->dns.count || spec->dns_search.count || spec->dns_options.count, "dns and the network mode"},
		{spec->exposed_ports.count > 0, "port exposing and the container type network mode"},
	};

	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i].is_given)
			return error_new(ERROR_INVALID, "conflicting options: %s", parts[i].what);
	return NULL;
}

/* A 404 of ours would make clients pull the image: that the other container is missing is the caller's mistake. */
static fallible resolve_mode(char **mode, Engine *engine, const char *field)
{
	const char *name = spec_joined(*mode);
	Container *other = NULL;
	Error *missing, *error;

	if (string_empty(name))
		return NULL;
	missing = container_find(&other, engine, name);
	if (missing) {
		error = error_new(ERROR_INVALID, "field \"%s\": %s", field, error_message(missing));
		error_free(missing);
		return error;
	}
	autofree char *id = string_printf("container:%s", other->id);
	string_replace(mode, id);
	return NULL;
}

fallible share_resolve(ContainerSpec *spec, Engine *engine)
{
	if (spec_joined(spec->network_mode))
		TRY(check_conflicts(spec));
	TRY(resolve_mode(&spec->network_mode, engine, "networkMode"));
	TRY(resolve_mode(&spec->pid_mode, engine, "pidMode"));
	return resolve_mode(&spec->ipc_mode, engine, "ipcMode");
}

/* ---- at start ---- */

static const Container *joined_container(const Container *container, const char *mode)
{
	const char *id = spec_joined(mode);

	return id ? table_get(container->engine->containers, id) : NULL;
}

/* Docker's rule: memory is shared with containers that said so. */
static bool shares_ipc(const Container *other)
{
	const char *mode = other->record.spec.ipc_mode;

	return string_equal(mode, "shareable") || spec_is_shared(mode);
}

static fallible join(const Container **ret, const Container *container, const char *mode, const char *what)
{
	const Container *other = joined_container(container, mode);

	if (!spec_joined(mode))
		return NULL;
	if (!other)
		return error_new(ERROR_CONFLICT, "cannot join the %s namespace of container %.12s: No such container",
			what, spec_joined(mode));
	if (!container_is_live(other) || other->state == CONTAINER_STARTING || !other->record.pid)
		return error_new(ERROR_CONFLICT, "cannot join the %s namespace of container \"%s\": it is not running",
			what, other->record.name);
	*ret = other;
	return NULL;
}

static void set_path(char path[SHARE_PATH_MAX], const Container *other, const char *kind)
{
	if (other)
		snprintf(path, SHARE_PATH_MAX, "/proc/%lld/ns/%s", (long long)other->record.pid, kind);
}

/* ---- through all that joined one another ---- */

static const char *mode_at(const Container *container, size_t offset)
{
	return *(char *const *)((const char *)&container->record.spec + offset);
}

static const Container *owner_of(const Container *container, size_t mode_offset)
{
	const Container *owner = container;

	for (int i = 0; i < OWNERS_MAX; i++) {
		const Container *next = joined_container(owner, mode_at(owner, mode_offset));
		if (!next)
			break;
		owner = next;
	}
	return owner;
}

const Container *share_network_owner(const Container *container)
{
	return owner_of(container, offsetof(ContainerSpec, network_mode));
}

static fallible check_sysctls(const Container *container)
{
	size_t network = offsetof(ContainerSpec, network_mode), ipc = offsetof(ContainerSpec, ipc_mode);

	return spec_check_sysctls(&container->record.spec, mode_at(owner_of(container, network), network),
		mode_at(owner_of(container, ipc), ipc));
}

fallible share_find(Shares *ret, const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	const Container *pid = NULL, *ipc = NULL, *network = NULL;

	TRY(join(&pid, container, spec->pid_mode, "pid"));
	TRY(join(&ipc, container, spec->ipc_mode, "ipc"));
	TRY(join(&network, container, spec->network_mode, "network"));
	if (ipc && !shares_ipc(ipc))
		return error_hint(error_new(ERROR_CONFLICT,
					  "cannot join the ipc namespace of container \"%s\": it is not shareable",
					  ipc->record.name),
			"create that one with --ipc shareable");
	TRY(check_sysctls(container));
	*ret = (Shares){.shm_pid = ipc ? ipc->record.pid : 0};
	set_path(ret->pid, pid, "pid");
	set_path(ret->ipc, ipc, "ipc");
	set_path(ret->network, network, "net");
	return NULL;
}
