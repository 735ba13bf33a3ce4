// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/grid.h"
#include "cli/system_df.h"
#include "cli/tables.h"
#include "cli/units.h"

static fallible print_images(const Value *list)
{
	const Listing listing = {.columns = image_columns,
		.format = "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}\\t"
			  "{{.SharedSize}}\\t{{.UniqueSize}}\\t{{.Containers}}",
		.truncates = true};
	size_t count;
	autofree Row *rows = image_rows(list, true, &count);

	puts("Images space usage:\n");
	return listing_print(&listing, rows, count);
}

static fallible print_containers(const Value *list)
{
	const Listing listing = {.columns = container_columns,
		.format = "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.LocalVolumes}}\\t{{.Size}}\\t"
			  "{{.RunningFor}}\\t{{.Status}}\\t{{.Names}}",
		.truncates = true};
	autofree Row *rows = container_rows(list, true);

	puts("\nContainers space usage:\n");
	return listing_print(&listing, rows, value_count(list));
}

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

static void write_size(Buffer *out, const Row *row)
{
	int64_t bytes = value_int(value_path(row->item, "UsageData.Size"), -1);
	char text[UNITS_TEXT_MAX];

	units_decimal(text, (double)bytes, 4);
	buffer_add_text(out, bytes < 0 ? "N/A" : text);
}

static const Column volume_columns[] = {
	{"Name", "VOLUME NAME", COLUMN_SHOWN, 8, write_name},
	{"Links", "LINKS", COLUMN_SHOWN, GRID_FIXED, write_links},
	{"Size", "SIZE", COLUMN_SHOWN, GRID_FIXED, write_size},
	{NULL},
};

static fallible print_volumes(const Value *list)
{
	const Listing listing = {.columns = volume_columns, .truncates = true};
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));

	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i), .truncates = true};
	puts("\nLocal Volumes space usage:\n");
	return listing_print(&listing, rows, value_count(list));
}

fallible system_df_verbose(Cli *cli)
{
	autoptr(Value) answer = NULL;

	TRY(api_get(cli, &answer, "/system/df"));
	TRY(print_images(value_get(answer, "Images")));
	TRY(print_containers(value_get(answer, "Containers")));
	return print_volumes(value_get(answer, "Volumes"));
}
