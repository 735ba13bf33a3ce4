// SPDX-License-Identifier: Apache-2.0
#include "cli/gpus_option.h"

#include <string.h>

#include "base/words.h"
#include "cli/container_options.h"

enum { GPUS_MAX = 1024 };

typedef struct Gpus {
	char *driver;
	int64_t count;
	bool counted;
	StringList ids, capabilities;
	StringMap options;
} Gpus;

static void gpus_clear(Gpus *gpus)
{
	string_replace(&gpus->driver, NULL);
	strings_clear(&gpus->ids);
	strings_clear(&gpus->capabilities);
	map_clear(&gpus->options);
}
DEFINE_AUTOCLEAR(Gpus, gpus_clear)

static fallible read_count(Gpus *gpus, const char *text)
{
	gpus->counted = true;
	gpus->count = -1;
	return string_equal(text, "all") ? NULL : string_to_int64(&gpus->count, text, -1, GPUS_MAX);
}

static fallible read_options(Gpus *gpus, const char *text)
{
	autoclear(StringList) pairs = {0};

	TRY(csv_split(&pairs, text));
	for (size_t i = 0; i < pairs.count; i++) {
		char *equals = strchr(pairs.items[i], '=');
		if (equals)
			*equals = '\0';
		map_set(&gpus->options, pairs.items[i], equals ? equals + 1 : "");
	}
	return NULL;
}

static fallible read_field(Gpus *gpus, const char *key, const char *value)
{
	if (string_equal(key, "count"))
		return read_count(gpus, value);
	if (string_equal(key, "driver"))
		string_replace(&gpus->driver, value);
	else if (string_equal(key, "device"))
		strings_split(&gpus->ids, value, ',');
	else if (string_equal(key, "capabilities"))
		strings_split(&gpus->capabilities, value, ',');
	else if (string_equal(key, "options"))
		return read_options(gpus, value);
	else
		return error_new(ERROR_INVALID, "field \"%.64s\" is unknown", key);
	return NULL;
}

/* The first field may be the count alone. */
static fallible read_gpus(Gpus *gpus, const char *text)
{
	autoclear(StringList) cells = {0};

	TRY(csv_split(&cells, text));
	for (size_t i = 0; i < cells.count; i++) {
		char *equals = strchr(cells.items[i], '=');
		if (!equals && i > 0)
			return error_new(ERROR_INVALID, "\"%.64s\" is not of the form NAME=VALUE", cells.items[i]);
		if (equals)
			*equals = '\0';
		TRY(read_field(gpus, equals ? cells.items[i] : "count", equals ? equals + 1 : cells.items[i]));
	}
	if (!gpus->counted && gpus->ids.count == 0)
		gpus->count = 1;
	strings_add(&gpus->capabilities, "gpu");
	return NULL;
}

static void write_request(Writer *writer, const Gpus *request)
{
	write_object(writer, NULL);
	write_string(writer, "Driver", request->driver);
	write_int(writer, "Count", request->count);
	if (request->ids.count)
		write_strings(writer, "DeviceIDs", &request->ids);
	if (request->capabilities.count) {
		write_array(writer, "Capabilities");
		write_strings(writer, NULL, &request->capabilities);
		write_array_end(writer);
	}
	write_map(writer, "Options", &request->options);
	write_object_end(writer);
}

static fallible write_gpus(Writer *writer, const char *text)
{
	autoclear(Gpus) gpus = {0};

	TRY_WRAP(read_gpus(&gpus, text), "option \"--gpus\": \"%s\"", text);
	write_request(writer, &gpus);
	return NULL;
}

static void cdi_names(StringList *ret, const StringList *devices)
{
	for (size_t i = 0; i < devices->count; i++)
		if (device_word_is_cdi(devices->items[i]))
			strings_add(ret, devices->items[i]);
}

fallible device_requests_write(Writer *writer, const StringList *gpus, const StringList *devices)
{
	autoclear(StringList) names = {0};

	cdi_names(&names, devices);
	if (gpus->count + names.count == 0)
		return NULL;
	write_array(writer, "DeviceRequests");
	for (size_t i = 0; i < gpus->count; i++)
		TRY(write_gpus(writer, gpus->items[i]));
	if (names.count)
		write_request(writer, &(Gpus){.driver = (char *)"cdi", .ids = names});
	write_array_end(writer);
	return NULL;
}
