// SPDX-License-Identifier: Apache-2.0
#include "runtime/cdi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"

enum { FILES_MAX = 256 };

typedef struct CdiFile {
	char *path;
	size_t directory; /* number of it: a higher one goes first */
	CdiSpec spec;
	bool is_used; /* its common edits were added */
} CdiFile;

struct CdiDevices {
	StringList directories;
	CdiFile *files;
	size_t count;
	char *problem; /* of the first file that cannot be read; NULL: none */
};

/* ---- reading ---- */

static void note_problem(CdiDevices *devices, Error *take_error)
{
	if (!devices->problem)
		devices->problem = error_text(take_error);
	error_free(take_error);
}

static fallible read_file(CdiDevices *devices, int dir, const char *name)
{
	size_t directory = devices->directories.count - 1;
	autofree char *path = path_join(devices->directories.items[directory], name), *text = NULL;
	CdiSpec spec = {0};
	size_t length;

	if (devices->count == FILES_MAX)
		return error_new(ERROR_TOO_LARGE, "\"%s\": more than %d CDI specifications", path, FILES_MAX);
	TRY(file_read(&text, &length, dir, name, CDI_SPEC_MAX));
	TRY_WRAP(cdi_spec_parse(&spec, text, length), "CDI specification \"%s\"", path);
	devices->files = mem_array(devices->files, devices->count + 1, sizeof(CdiFile));
	devices->files[devices->count++] = (CdiFile){take(path), directory, spec, false};
	return NULL;
}

static Error *visit(void *arg, int dir, const char *name, unsigned char type)
{
	Error *error = NULL;

	(void)type;
	if (name[0] != '.' && (string_ends(name, ".json") || string_ends(name, ".yaml") || string_ends(name, ".yml")))
		error = read_file(arg, dir, name);
	if (error)
		note_problem(arg, error);
	return NULL;
}

static void read_directory(CdiDevices *devices, const char *path)
{
	Error *error;

	strings_add(&devices->directories, path);
	error = dir_each(AT_FDCWD, path, visit, devices);
	if (error && error_kind(error) == ERROR_NOT_FOUND)
		error_free(error);
	else if (error)
		note_problem(devices, error);
}

CdiDevices *cdi_devices_read(const StringList *directories)
{
	CdiDevices *devices = mem_new(CdiDevices);

	for (size_t i = 0; i < directories->count; i++)
		read_directory(devices, directories->items[i]);
	return devices;
}

CdiDevices *cdi_devices_free(CdiDevices *devices)
{
	if (!devices)
		return NULL;
	for (size_t i = 0; i < devices->count; i++) {
		free(devices->files[i].path);
		cdi_spec_clear(&devices->files[i].spec);
	}
	strings_clear(&devices->directories);
	free(devices->files);
	free(devices->problem);
	free(devices);
	return NULL;
}

/* ---- finding ---- */

static const CdiDevice *device_of(const CdiSpec *spec, const char *name)
{
	const CdiDevice *items = spec->devices.items;
	size_t length = strlen(spec->kind);

	if (strncmp(name, spec->kind, length) != 0 || name[length] != '=')
		return NULL;
	for (size_t i = 0; i < spec->devices.count; i++)
		if (string_equal(items[i].name, name + length + 1))
			return &items[i];
	return NULL;
}

static fallible not_there(const CdiDevices *devices, const char *name)
{
	autofree char *directories = strings_join(&devices->directories, ", ");
	Error *error = error_new(
		ERROR_INVALID, "CDI device \"%.300s\" is not there: no specification in %s has it", name, directories);

	return devices->problem ? error_hint(error, "%s", devices->problem) : error;
}

static fallible find(CdiFile **ret_file, const CdiDevice **ret, CdiDevices *devices, const char *name)
{
	CdiFile *best = NULL, *second = NULL;

	for (size_t i = 0; i < devices->count; i++) {
		CdiFile *file = &devices->files[i];
		if (!device_of(&file->spec, name) || (best && best->directory > file->directory))
			continue;
		second = best && best->directory == file->directory ? best : NULL;
		best = file;
	}
	if (!best)
		return not_there(devices, name);
	if (second)
		return error_new(ERROR_INVALID, "CDI device \"%.300s\" is both in \"%s\" and in \"%s\"", name,
			best->path, second->path);
	*ret_file = best;
	*ret = device_of(&best->spec, name);
	return NULL;
}

fallible cdi_devices_add(CdiEdits *edits, CdiDevices *devices, const StringList *names)
{
	const CdiDevice *device;
	CdiFile *file;

	for (size_t i = 0; i < names->count; i++)
		TRY(find(&file, &device, devices, names->items[i]));
	for (size_t i = 0; i < names->count; i++) {
		TRY(find(&file, &device, devices, names->items[i]));
		if (!file->is_used)
			cdi_edits_add(edits, &file->spec.edits);
		file->is_used = true;
		cdi_edits_add(edits, &device->edits);
	}
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

void cdi_devices_names(StringList *ret, const CdiDevices *devices, const char *kind)
{
	for (size_t i = 0; i < devices->count; i++) {
		const CdiSpec *spec = &devices->files[i].spec;
		const CdiDevice *items = spec->devices.items;
		for (size_t n = 0; string_equal(spec->kind, kind) && n < spec->devices.count; n++)
			if (!strings_has(ret, items[n].name))
				strings_add(ret, items[n].name);
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(char *), by_number);
}
