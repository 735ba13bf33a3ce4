// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_requests.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define GPU_KIND "nvidia.com/gpu"
#define GPU_HOOK "nvidia-container-runtime-hook"

enum { IDS_MAX = 1024, LISTS_MAX = 64 };

/* ---- the form ---- */

static fallible check_capabilities(const Value *lists)
{
	if (value_is_null(lists))
		return NULL;
	if (!value_is_array(lists) || value_count(lists) > LISTS_MAX)
		return error_new(ERROR_INVALID, "field \"capabilities\" must be an array of arrays of strings");
	for (size_t i = 0; i < value_count(lists); i++) {
		const Value *list = value_at(lists, i);
		bool is_good = value_is_array(list) && value_count(list) <= LISTS_MAX;
		for (size_t n = 0; is_good && n < value_count(list); n++)
			is_good = value_is_string(value_at(list, n));
		if (!is_good)
			return error_new(ERROR_INVALID, "field \"capabilities[%zu]\" must be an array of strings", i);
	}
	return NULL;
}

fallible device_request_check(const DeviceRequest *request)
{
	if (request->count < -1 || request->count > IDS_MAX || request->ids.count > IDS_MAX)
		return error_new(ERROR_INVALID, "field \"count\" must be -1 (all) or a number of devices");
	if (request->count && request->ids.count)
		return error_new(ERROR_INVALID, "cannot set both Count and DeviceIDs on device request");
	return check_capabilities(request->capabilities);
}

/* ---- GPUs ---- */

/* What NVIDIA's driver can be asked for beside "gpu" and "nvidia"; the environment names those to its hook. */
static const char *const driver_capabilities[] = {"compute", "compat32", "graphics", "utility", "video", "display"};

static bool is_gpu_word(const char *word)
{
	return string_equal(word, "gpu") || string_equal(word, "nvidia") ||
	       names_find(driver_capabilities, COUNT(driver_capabilities), word) >= 0;
}

/* The first list of which it has all; NULL: none. */
static const Value *gpu_capabilities(const DeviceRequest *request)
{
	for (size_t i = 0; i < value_count(request->capabilities); i++) {
		const Value *list = value_at(request->capabilities, i);
		size_t n = 0;
		while (n < value_count(list) && is_gpu_word(value_string(value_at(list, n))))
			n++;
		if (n > 0 && n == value_count(list))
			return list;
	}
	return NULL;
}

static fallible add_gpus(CdiEdits *edits, CdiDevices *devices, const StringList *ids, size_t count)
{
	autoclear(StringList) names = {0};

	for (size_t i = 0; i < count; i++)
		strings_printf(&names, "%s=%s", GPU_KIND, ids->items[i]);
	return cdi_devices_add(edits, devices, &names);
}

/* One name for each card: "all" is a device of its own, as NVIDIA's tool writes it, and where cards have numbers, other
 * ids are those of the same ones. */
static void keep_one_name_each(StringList *names)
{
	bool has_numbers = false;

	for (size_t i = names->count; i-- > 0;) {
		if (string_equal(names->items[i], "all"))
			strings_remove(names, i);
		else
			has_numbers |= isdigit((unsigned char)*names->items[i]);
	}
	for (size_t i = names->count; has_numbers && i-- > 0;)
		if (!isdigit((unsigned char)*names->items[i]))
			strings_remove(names, i);
}

static fallible add_some_gpus(CdiEdits *edits, CdiDevices *devices, StringList *names, int64_t count)
{
	autoclear(StringList) all = {0};

	strings_add(&all, "all");
	if (count < 0 && strings_has(names, "all"))
		return add_gpus(edits, devices, &all, 1);
	keep_one_name_each(names);
	if (count > (int64_t)names->count)
		return error_new(
			ERROR_INVALID, "%lld GPUs are asked for, and there are %zu", (long long)count, names->count);
	return add_gpus(edits, devices, names, count < 0 ? names->count : (size_t)count);
}

static fallible gpus_from_cdi(CdiEdits *edits, CdiDevices *devices, StringList *names, const DeviceRequest *request)
{
	if (request->ids.count)
		return add_gpus(edits, devices, &request->ids, request->ids.count);
	return add_some_gpus(edits, devices, names, request->count);
}

static char *find_program(const char *path, const char *name)
{
	autoclear(StringList) directories = {0};

	strings_split(&directories, path, ':');
	for (size_t i = 0; i < directories.count; i++) {
		autofree char *program = string_printf("%s/%s", directories.items[i], name);
		if (access(program, X_OK) == 0)
			return take(program);
	}
	return NULL;
}

/* "all", "0,1", "GPU-1,GPU-2" */
static char *visible_devices(const DeviceRequest *request)
{
	autoclear(StringList) numbers = {0};

	if (request->ids.count)
		return strings_join(&request->ids, ",");
	for (int64_t i = 0; i < request->count; i++)
		strings_printf(&numbers, "%lld", (long long)i);
	return request->count < 0 ? mem_strdup("all")
	       : request->count   ? strings_join(&numbers, ",")
				  : mem_strdup("void");
}

static void tell_nvidia(CdiEdits *edits, const DeviceRequest *request, const Value *capabilities)
{
	autofree char *devices = visible_devices(request);
	autofree char *setting = string_printf("NVIDIA_VISIBLE_DEVICES=%s", devices);
	autoclear(StringList) words = {0};

	strings_env_set(&edits->env, setting);
	for (size_t i = 0; i < value_count(capabilities); i++) {
		const char *word = value_string(value_at(capabilities, i));
		if (names_find(driver_capabilities, COUNT(driver_capabilities), word) >= 0)
			strings_add(&words, word);
	}
	if (words.count) {
		strings_sort(&words);
		autofree char *joined = strings_join(&words, ",");
		autofree char *asked = string_printf("NVIDIA_DRIVER_CAPABILITIES=%s", joined);
		strings_env_set(&edits->env, asked);
	}
}

static void add_hook(CdiEdits *edits, const char *program, const char *path)
{
	autoclear(CdiEdits) added = {0};
	CdiHook *hook = mem_new(CdiHook);

	hook->name = mem_strdup("prestart");
	hook->path = mem_strdup(program);
	strings_add(&hook->args, GPU_HOOK);
	strings_add(&hook->args, "prestart");
	strings_printf(&hook->env, "PATH=%s", path);
	added.hooks = (FieldArray){hook, 1};
	cdi_edits_add(edits, &added);
}

static fallible no_driver(const DeviceRequest *request, const DeviceSources *sources)
{
	autofree char *directories = strings_join(sources->cdi_directories, ", ");
	autoclear(Buffer) words = {0};
	Error *error;

	for (size_t i = 0; i < value_count(request->capabilities); i++) {
		const Value *list = value_at(request->capabilities, i);
		buffer_add_text(&words, i ? " [" : "[");
		for (size_t n = 0; n < value_count(list); n++)
			buffer_printf(&words, "%s%.64s", n ? " " : "", value_string(value_at(list, n)));
		buffer_add_char(&words, ']');
	}
	error = error_new(ERROR_INVALID, "could not select device driver \"%.64s\" with capabilities: [%.300s]",
		request->driver ? request->driver : "", buffer_text(&words));
	return error_hint(error,
		"no CDI specification of " GPU_KIND " is in %s, and " GPU_HOOK
		" is not installed: NVIDIA's container toolkit has both (nvidia-ctk cdi generate)",
		directories);
}

static fallible give_gpus(
	CdiEdits *edits, CdiDevices *devices, const DeviceRequest *request, const DeviceSources *sources)
{
	const Value *capabilities = gpu_capabilities(request);
	autoclear(StringList) names = {0};
	autofree char *hook = NULL;

	if (!capabilities && !string_equal(request->driver, "nvidia"))
		return no_driver(request, sources);
	cdi_devices_names(&names, devices, GPU_KIND);
	if (names.count)
		return gpus_from_cdi(edits, devices, &names, request);
	hook = find_program(sources->path, GPU_HOOK);
	if (!hook && !sources->runtime_is_nvidia_s)
		return no_driver(request, sources);
	tell_nvidia(edits, request, capabilities);
	if (!sources->runtime_is_nvidia_s)
		add_hook(edits, hook, sources->path);
	return NULL;
}

/* ---- requests ---- */

static fallible give(CdiEdits *edits, CdiDevices *devices, const DeviceRequest *request, const DeviceSources *sources)
{
	if (string_equal(request->driver, "cdi"))
		return cdi_devices_add(edits, devices, &request->ids);
	if (!string_empty(request->driver) && !string_equal(request->driver, "nvidia"))
		return no_driver(request, sources);
	return give_gpus(edits, devices, request, sources);
}

static fallible resolve(CdiEdits *edits, CdiDevices *devices, const DeviceRequest *request,
	const DeviceSources *sources, StringList *ret_notes)
{
	Error *error = give(edits, devices, request, sources);

	if (!error || !request->optional)
		return error;
	strings_printf(ret_notes, "%s: it is left out", error_message(error));
	return error_free(error);
}

fallible device_requests_resolve(
	CdiEdits *edits, const FieldArray *requests, const DeviceSources *sources, StringList *ret_notes)
{
	const DeviceRequest *items = requests->items;
	autoptr(CdiDevices) devices = NULL;

	if (requests->count == 0)
		return NULL;
	devices = cdi_devices_read(sources->cdi_directories);
	for (size_t i = 0; i < requests->count; i++)
		TRY(resolve(edits, devices, &items[i], sources, ret_notes));
	return NULL;
}
