// SPDX-License-Identifier: Apache-2.0
#include "device/declared_spec.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/env_file.h"
#include "base/files.h"
#include "base/memory.h"
#include "device/declared_labels.h"

enum { PROFILE_MAX = 1 << 20 };

/* ---- what needs nothing else ---- */

static void put_stop_timeout(ContainerSpec *spec, int64_t grace_ns)
{
	if (grace_ns >= 0)
		spec->stop_timeout_s = (grace_ns + NANOS_PER_SECOND - 1) / NANOS_PER_SECOND;
}

static void put_mounts(ContainerSpec *spec, const StringList *tmpfs)
{
	MountSpec *mounts = spec->mounts.items;

	for (size_t i = 0; i < spec->mounts.count; i++)
		mounts[i].as_mount = true;
	for (size_t i = 0; i < tmpfs->count; i++) {
		const char *word = tmpfs->items[i];
		size_t length = strcspn(word, ":");
		MountSpec *mount = container_spec_add_mount(spec);
		mount->kind = MOUNT_TMPFS;
		mount->target = mem_strndup(word, length);
		mount->options = word[length] && word[length + 1] ? mem_strdup(word + length + 1) : NULL;
	}
}

/* Who names networks and no mode wants those, and not the default one as well. */
static void put_network_mode(ContainerSpec *spec)
{
	const EndpointSpec *endpoints = spec->endpoints.items;

	if (string_empty(spec->network_mode) && spec->endpoints.count)
		string_replace(&spec->network_mode, endpoints[0].network);
}

/* "db" is "db:db". */
static void complete_links(StringList *links)
{
	for (size_t i = 0; i < links->count; i++) {
		autofree char *whole = string_printf("%s:%s", links->items[i], links->items[i]);
		if (!strchr(links->items[i], ':'))
			string_replace(&links->items[i], whole);
	}
}

/* What is a file is a profile to be read. */
static bool is_profile_file(const char *option)
{
	return string_starts(option, "seccomp=/");
}

static void drop_profile_files(StringList *options)
{
	for (size_t i = options->count; i > 0; i--)
		if (is_profile_file(options->items[i - 1]))
			strings_remove(options, i - 1);
}

static void put_plain(ContainerSpec *ret, const Declaration *declaration)
{
	EndpointSpec *endpoints;

	fields_copy(container_spec_fields, ret, &declaration->spec);
	endpoints = ret->endpoints.items;
	put_stop_timeout(ret, declaration->stop_grace_ns);
	put_mounts(ret, &declaration->tmpfs);
	put_network_mode(ret);
	complete_links(&ret->links);
	for (size_t i = 0; i < ret->endpoints.count; i++)
		complete_links(&endpoints[i].links);
	container_spec_complete_capabilities(ret);
}

void declared_spec_plain(ContainerSpec *ret, const Declaration *declaration)
{
	put_plain(ret, declaration);
	drop_profile_files(&ret->security_options);
}

/* ---- what the moment tells ---- */

/* Variables of the declaration itself go before those of its files. */
static fallible read_env_files(ContainerSpec *spec, const StringList *paths)
{
	autoclear(StringList) words = {0};

	for (size_t i = 0; i < paths->count; i++) {
		autoclear(StringList) file = {0};
		TRY_WRAP(env_file_read(&file, paths->items[i], false), "field \"envFile\"");
		for (size_t j = 0; j < file.count; j++)
			strings_env_set(&words, file.items[j]);
	}
	for (size_t i = 0; i < spec->env.count; i++)
		strings_env_set(&words, spec->env.items[i]);
	strings_copy(&spec->env, &words);
	return NULL;
}

static fallible read_profile(char **option)
{
	autoclear(Buffer) compact = {0};

	buffer_add_text(&compact, "seccomp=");
	TRY(value_copy_file(&compact, *option + strlen("seccomp="), PROFILE_MAX));
	string_replace(option, buffer_text(&compact));
	return NULL;
}

static fallible read_profiles(StringList *options)
{
	for (size_t i = 0; i < options->count; i++)
		if (is_profile_file(options->items[i]))
			TRY_WRAP(read_profile(&options->items[i]), "field \"securityOpt\"");
	return NULL;
}

static bool is_there(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0;
}

static void add_device(ContainerSpec *spec, const DeclaredDevice *device)
{
	spec->devices.items = mem_array(spec->devices.items, spec->devices.count + 1, sizeof(DeviceSpec));
	((DeviceSpec *)spec->devices.items)[spec->devices.count++] = (DeviceSpec){
		.host_path = mem_strdup(device->path),
		.container_path = mem_strdup(device->target ? device->target : device->path),
		.permissions = mem_strdup(device->permissions ? device->permissions : "rwm"),
	};
}

/* Looked for at each start: an optional one may be there by then. */
static DeviceRequest *add_request(ContainerSpec *spec, bool is_optional)
{
	FieldArray *requests = &spec->device_requests;
	DeviceRequest *request;

	requests->items = mem_array(requests->items, requests->count + 1, sizeof(DeviceRequest));
	request = (DeviceRequest *)requests->items + requests->count++;
	*request = (DeviceRequest){.optional = is_optional};
	return request;
}

static void put_device(ContainerSpec *spec, const DeclaredDevice *device, StringList *ret_notes)
{
	if (device->path[0] != '/') {
		DeviceRequest *request = add_request(spec, device->optional);
		request->driver = mem_strdup("cdi");
		strings_add(&request->ids, device->path);
	} else if (device->optional && !is_there(device->path)) {
		strings_printf(ret_notes, "device \"%s\" is not there: it is left out", device->path);
	} else {
		add_device(spec, device);
	}
}

static void put_gpus(ContainerSpec *spec, const DeclaredGpus *gpus)
{
	DeviceRequest *request = add_request(spec, gpus->optional);
	Value *words = value_array();

	request->count = gpus->count;
	strings_copy(&request->ids, &gpus->ids);
	value_append(words, value_new_string("gpu"));
	request->capabilities = value_array();
	value_append(request->capabilities, words);
}

static void put_devices(ContainerSpec *spec, const Declaration *declaration, StringList *ret_notes)
{
	const DeclaredDevice *devices = declaration->devices.items;

	for (size_t i = 0; i < declaration->devices.count; i++)
		put_device(spec, &devices[i], ret_notes);
	if (declaration->gpus)
		put_gpus(spec, declaration->gpus);
}

/* Running it without these would be running it as if they were not asked for. */
static fallible refuse_unavailable(const Declaration *declaration)
{
	if (!declaration->enabled)
		return NULL;
	if (declaration->signature.trust_anchor)
		return error_new(ERROR_UNSUPPORTED,
			"field \"signature.trustAnchor\": signatures are not checked yet, so that the container does "
			"not run");
	if (declaration->identity.enabled || declaration->identity.permissions.count)
		return error_new(ERROR_UNSUPPORTED,
			"field \"identity.%s\": there are no identities for containers yet, so that the container does "
			"not run",
			declaration->identity.enabled ? "enabled" : "permissions");
	return NULL;
}

static fallible put_all(ContainerSpec *ret, const Declaration *declaration, StringList *ret_notes)
{
	TRY(refuse_unavailable(declaration));
	put_plain(ret, declaration);
	TRY(read_env_files(ret, &declaration->env_files));
	TRY(read_profiles(&ret->security_options));
	put_devices(ret, declaration, ret_notes);
	declared_labels_put(&ret->labels, declaration);
	return NULL;
}

fallible declaration_spec(ContainerSpec *ret, const Declaration *declaration, StringList *ret_notes)
{
	autoclear(ContainerSpec) spec;

	container_spec_init(&spec);
	TRY(put_all(&spec, declaration, ret_notes));
	container_spec_clear(ret);
	*ret = spec;
	container_spec_init(&spec);
	return NULL;
}
