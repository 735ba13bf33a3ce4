// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/facts.h"
#include "cli/grid.h"
#include "cli/system_df.h"
#include "cli/tables.h"
#include "cli/units.h"

/* ---- volumes ---- */

static void write_name(Buffer *out, const Row *row)
{
	const char *name = value_string(value_get(row->item, "Name"));

	buffer_add_text(out, name ? name : "");
}

static void write_links(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)value_int(value_path(row->item, "UsageData.RefCount"), 0));
}

static void write_volume_size(Buffer *out, const Row *row)
{
	int64_t bytes = value_int(value_path(row->item, "UsageData.Size"), -1);
	char text[UNITS_TEXT_MAX];

	units_decimal(text, (double)bytes, 4);
	buffer_add_text(out, bytes < 0 ? "N/A" : text);
}

static const Column volume_columns[] = {
	{"Name", "VOLUME NAME", COLUMN_SHOWN, 8, write_name},
	{"Links", "LINKS", COLUMN_SHOWN, GRID_FIXED, write_links},
	{"Size", "SIZE", COLUMN_SHOWN, GRID_FIXED, write_volume_size},
	{NULL},
};

/* ---- the parts ---- */

typedef struct Part {
	const char *name, *heading;
	Listing listing;
	Row *rows;
	size_t count;
} Part;

static Part images_part(const Value *list)
{
	Part part = {"Images", "Images space usage:\n",
		{.columns = image_columns,
			.shown = "Repository Tag ID CreatedSince Size SharedSize UniqueSize Containers",
			.truncates = true}};

	part.rows = image_rows(list, true, &part.count);
	return part;
}

static Part containers_part(const Value *list)
{
	return (Part){"Containers", "\nContainers space usage:\n",
		{.columns = container_columns,
			.shown = "ID Image Command LocalVolumes Size RunningFor Status Names",
			.truncates = true},
		container_rows(list, true), value_count(list)};
}

static Part volumes_part(const Value *list)
{
	Part part = {"Volumes", "\nLocal Volumes space usage:\n", {.columns = volume_columns, .truncates = true}};

	part.count = value_count(list);
	part.rows = mem_array(NULL, part.count + 1, sizeof(Row));
	for (size_t i = 0; i < part.count; i++)
		part.rows[i] = (Row){.item = value_at(list, i), .truncates = true};
	return part;
}

static fallible print_tables(const Part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		puts(parts[i].heading);
		TRY(listing_print(&parts[i].listing, parts[i].rows, parts[i].count));
	}
	return NULL;
}

static fallible print_format(const char *format, const Part *parts, size_t count)
{
	autoptr(Value) all = value_object();
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < count; i++)
		value_set(all, parts[i].name, listing_values(&parts[i].listing, parts[i].rows, parts[i].count));
	TRY(facts_format(&out, format, all));
	fputs(buffer_text(&out), stdout);
	return NULL;
}

fallible system_df_verbose(Cli *cli, const char *format)
{
	autoptr(Value) answer = NULL;

	TRY(facts_check(format));
	TRY(api_get(cli, &answer, "/system/df"));
	const Part parts[] = {images_part(value_get(answer, "Images")),
		containers_part(value_get(answer, "Containers")), volumes_part(value_get(answer, "Volumes"))};
	Error *error = format ? print_format(format, parts, COUNT(parts)) : print_tables(parts, COUNT(parts));
	for (size_t i = 0; i < COUNT(parts); i++)
		free(parts[i].rows);
	return error;
}
