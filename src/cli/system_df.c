// SPDX-License-Identifier: Apache-2.0
#include "cli/system_df.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/units.h"
#include "json/value.h"

typedef struct DfOptions {
	bool help, verbose;
	char *format;
} DfOptions;

static const Option options[] = {
	HELP_OPTION(DfOptions),
	{"format", 0, OPTION_STRING, offsetof(DfOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Type}}: {{.Size}}\"",
		.complete = "table json"},
	{"verbose", 'v', OPTION_SWITCH, offsetof(DfOptions, verbose), .help = "show each image, container and volume"},
	OPTION_END,
};

/* ---- what the daemon's figures come to ---- */

typedef struct Sum {
	const char *type;
	int64_t total, active, bytes, reclaimable;
} Sum;

/* Layers that several images share stay as long as one of them does. */
static Sum sum_images(const Value *answer)
{
	Sum sum = {.type = "Images", .bytes = value_int(value_get(answer, "LayersSize"), 0)};
	const Value *images = value_get(answer, "Images");
	int64_t used = 0;

	sum.total = (int64_t)value_count(images);
	for (size_t i = 0; i < value_count(images); i++) {
		const Value *image = value_at(images, i);
		if (value_int(value_get(image, "Containers"), 0) <= 0)
			continue;
		sum.active++;
		used += value_int(value_get(image, "Size"), 0) - value_int(value_get(image, "SharedSize"), 0);
	}
	sum.reclaimable = sum.bytes - used;
	return sum;
}

static bool is_active(const Value *container)
{
	const char *state = value_string(value_get(container, "State"));

	return string_equal(state, "running") || string_equal(state, "paused") || string_equal(state, "restarting");
}

static Sum sum_containers(const Value *answer)
{
	Sum sum = {.type = "Containers"};
	const Value *containers = value_get(answer, "Containers");

	sum.total = (int64_t)value_count(containers);
	for (size_t i = 0; i < value_count(containers); i++) {
		const Value *container = value_at(containers, i);
		int64_t bytes = value_int(value_get(container, "SizeRw"), 0);
		bytes = bytes > 0 ? bytes : 0;
		sum.bytes += bytes;
		sum.active += is_active(container);
		sum.reclaimable += is_active(container) ? 0 : bytes;
	}
	return sum;
}

/* One that could not be measured counts as empty. */
static Sum sum_volumes(const Value *answer)
{
	Sum sum = {.type = "Local Volumes"};
	const Value *volumes = value_get(answer, "Volumes");

	sum.total = (int64_t)value_count(volumes);
	for (size_t i = 0; i < value_count(volumes); i++) {
		const Value *use = value_get(value_at(volumes, i), "UsageData");
		int64_t bytes = value_int(value_get(use, "Size"), 0);
		bool is_used = value_int(value_get(use, "RefCount"), 0) > 0;
		bytes = bytes > 0 ? bytes : 0;
		sum.bytes += bytes;
		sum.active += is_used;
		sum.reclaimable += is_used ? 0 : bytes;
	}
	return sum;
}

static Value *sum_value(const Sum *sum)
{
	Value *value = value_object();

	value_set(value, "Type", value_new_string(sum->type));
	value_set(value, "TotalCount", value_new_int(sum->total));
	value_set(value, "Active", value_new_int(sum->active));
	value_set(value, "Size", value_new_int(sum->bytes));
	value_set(value, "Reclaimable", value_new_int(sum->reclaimable));
	return value;
}

/* ---- fields ---- */

static int64_t number_of(const Row *row, const char *key)
{
	return value_int(value_get(row->item, key), 0);
}

static void write_type(Buffer *out, const Row *row)
{
	buffer_add_text(out, value_string(value_get(row->item, "Type")));
}

static void write_total(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)number_of(row, "TotalCount"));
}

static void write_active(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)number_of(row, "Active"));
}

static void write_size(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_decimal(text, (double)number_of(row, "Size"), 4);
	buffer_add_text(out, text);
}

static void write_reclaimable(Buffer *out, const Row *row)
{
	int64_t all = number_of(row, "Size"), part = number_of(row, "Reclaimable");
	char text[UNITS_TEXT_MAX];

	units_decimal(text, (double)part, 4);
	buffer_add_text(out, text);
	if (all > 0)
		buffer_printf(out, " (%lld%%)", (long long)(part * 100 / all));
}

static const Column columns[] = {
	{"Type", "TYPE", COLUMN_SHOWN, GRID_FIXED, write_type},
	{"TotalCount", "TOTAL", COLUMN_SHOWN, GRID_FIXED, write_total},
	{"Active", "ACTIVE", COLUMN_SHOWN, GRID_FIXED, write_active},
	{"Size", "SIZE", COLUMN_SHOWN, GRID_FIXED, write_size},
	{"Reclaimable", "RECLAIMABLE", COLUMN_SHOWN, GRID_FIXED, write_reclaimable},
	{NULL},
};

/* ---- the command ---- */

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const DfOptions *given = opts;
	const Listing listing = {.columns = columns, .format = given->format};
	autoptr(Value) answer = NULL;
	autoptr(Value) images_row = NULL;
	autoptr(Value) containers_row = NULL;
	autoptr(Value) volumes_row = NULL;
	Sum sum;

	(void)arguments;
	if (given->verbose)
		return system_df_verbose(cli, string_equal(given->format, "table") ? NULL : given->format);
	TRY(listing_check(&listing));
	TRY(api_get(cli, &answer, "/system/df?type=image&type=container&type=volume"));
	sum = sum_images(answer);
	images_row = sum_value(&sum);
	sum = sum_containers(answer);
	containers_row = sum_value(&sum);
	sum = sum_volumes(answer);
	volumes_row = sum_value(&sum);
	const Row rows[] = {{.item = images_row}, {.item = containers_row}, {.item = volumes_row}};
	return listing_print(&listing, rows, sizeof(rows) / sizeof(rows[0]));
}

const Command system_df_command = {
	.name = "system df",
	.usage = "[OPTIONS]",
	.summary = "Show what images, containers and volumes take of the disk",
	.options = options,
	.options_size = sizeof(DfOptions),
	.run = run,
};
