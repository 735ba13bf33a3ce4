// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/port_list.h"
#include "cli/tables.h"
#include "cli/units.h"

enum { SHORT_ID = 12, SHORT_COMMAND = 20 };

typedef struct PsOptions {
	bool help, all, latest, no_trunc, quiet, size;
	int64_t last;
	char *format;
	StringList filters;
} PsOptions;

static const PsOptions defaults = {.last = -1};

static const Option options[] = {
	HELP_OPTION(PsOptions),
	{"all", 'a', OPTION_SWITCH, offsetof(PsOptions, all),
		.help = "show all containers (without it: those that run)"},
	{"filter", 'f', OPTION_LIST, offsetof(PsOptions, filters), "NAME=VALUE",
		"only those that match: id, name, label, label!, status, ancestor, health, exited, before, since, "
		"network, volume, publish, expose",
		.complete = "id= name= label= status= ancestor= health= exited= before= since= network= volume= "
			    "publish= expose="},
	{"format", 0, OPTION_STRING, offsetof(PsOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.ID}} {{.Names}}\"",
		.complete = "table json"},
	{"last", 'n', OPTION_INT, offsetof(PsOptions, last), "N", "the N containers created last, running or not", -1,
		INT32_MAX},
	{"latest", 'l', OPTION_SWITCH, offsetof(PsOptions, latest), .help = "the container created last"},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(PsOptions, no_trunc), .help = "do not cut long cells"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(PsOptions, quiet), .help = "print ids only"},
	{"size", 's', OPTION_SWITCH, offsetof(PsOptions, size), .help = "show what each has written"},
	OPTION_END,
};

/* ---- fields ---- */

static void write_id(Buffer *out, const Row *row)
{
	buffer_printf(out, "%.*s", row->truncates ? SHORT_ID : INT32_MAX, row_text(row, "Id"));
}

/* An image that has no name any more is shown by its id. */
static void write_image(Buffer *out, const Row *row)
{
	const char *image = row_text(row, "Image");

	if (row->truncates && string_starts(image, "sha256:"))
		buffer_printf(out, "%.*s", SHORT_ID, image + strlen("sha256:"));
	else
		buffer_add_text(out, image[0] ? image : "<no image>");
}

/* In quotes as Go's %q has them, so that what looks like one word is one. */
static void write_command(Buffer *out, const Row *row)
{
	autoclear(Buffer) command = {0};

	text_cut(&command, row_text(row, "Command"), row->truncates ? SHORT_COMMAND : INT32_MAX);
	buffer_add_char(out, '"');
	for (const char *c = buffer_text(&command); *c; c++) {
		if (*c == '"' || *c == '\\')
			buffer_add_char(out, '\\');
		if (*c == '\n' || *c == '\t')
			buffer_add_text(out, *c == '\n' ? "\\n" : "\\t");
		else
			buffer_add_char(out, *c);
	}
	buffer_add_char(out, '"');
}

static int64_t created_ns(const Row *row)
{
	return value_int(value_get(row->item, "Created"), 0) * NANOS_PER_SECOND;
}

static void write_created_at(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_local_time(text, created_ns(row));
	buffer_add_text(out, text);
}

static void write_running_for(Buffer *out, const Row *row)
{
	char text[CLOCK_TEXT_MAX];

	clock_format_age(text, row->now_ns - created_ns(row));
	buffer_printf(out, "%s ago", text);
}

static void write_ports(Buffer *out, const Row *row)
{
	port_list_write(out, value_get(row->item, "Ports"));
}

static void write_names(Buffer *out, const Row *row)
{
	const Value *names = value_get(row->item, "Names");

	for (size_t i = 0; i < value_count(names); i++) {
		const char *name = value_string(value_at(names, i));
		buffer_printf(out, "%s%s", i > 0 ? "," : "", name && name[0] == '/' ? name + 1 : name ? name : "");
	}
}

static void write_size(Buffer *out, const Row *row)
{
	char own[UNITS_TEXT_MAX], all[UNITS_TEXT_MAX];
	int64_t whole = value_int(value_get(row->item, "SizeRootFs"), 0);

	units_decimal(own, (double)value_int(value_get(row->item, "SizeRw"), 0), 3);
	units_decimal(all, (double)whole, 3);
	buffer_add_text(out, own);
	if (whole > 0)
		buffer_printf(out, " (virtual %s)", all);
}

static const char *mount_name(const Value *mount)
{
	const char *name = value_string(value_get(mount, "Name")), *source = value_string(value_get(mount, "Source"));

	return !string_empty(name) ? name : source ? source : "";
}

static void write_mounts(Buffer *out, const Row *row)
{
	const Value *mounts = value_get(row->item, "Mounts");

	for (size_t i = 0; i < value_count(mounts); i++)
		buffer_printf(out, "%s%s", i > 0 ? "," : "", mount_name(value_at(mounts, i)));
}

static void write_local_volumes(Buffer *out, const Row *row)
{
	const Value *mounts = value_get(row->item, "Mounts");
	int count = 0;

	for (size_t i = 0; i < value_count(mounts); i++)
		count += string_equal(value_string(value_get(value_at(mounts, i), "Driver")), "local");
	buffer_printf(out, "%d", count);
}

static void write_networks(Buffer *out, const Row *row)
{
	const Value *networks = value_path(row->item, "NetworkSettings.Networks");
	const char *name;
	Value *network;
	size_t cursor = 0;

	for (bool first = true; value_each(networks, &cursor, &name, &network); first = false)
		buffer_printf(out, "%s%s", first ? "" : ",", name);
}

static const char *status_colour(const char *text)
{
	if (strstr(text, "(unhealthy)") || string_starts(text, "Restarting") || string_starts(text, "Dead"))
		return "\033[31m";
	if (string_starts(text, "Up"))
		return "\033[32m";
	return string_starts(text, "Exited (0)") || string_starts(text, "Created") ? "\033[2m" : "\033[33m";
}

const Column container_columns[] = {
	{"ID", "CONTAINER ID", COLUMN_SHOWN, GRID_FIXED, write_id},
	{"Image", "IMAGE", COLUMN_SHOWN, 12, write_image, .rank = 3, .may_go = true},
	{"Command", "COMMAND", COLUMN_SHOWN, 8, write_command, .rank = 1, .may_go = true},
	{"RunningFor", "CREATED", COLUMN_SHOWN, GRID_FIXED, write_running_for, .rank = 2, .may_go = true},
	{"Status", "STATUS", COLUMN_SHOWN, 12, .key = "Status", .colour = status_colour},
	{"Ports", "PORTS", COLUMN_SHOWN, 6, write_ports, .rank = 4, .may_go = true},
	{"Names", "NAMES", COLUMN_SHOWN, 16, write_names, .rank = 5},
	{"Size", "SIZE", COLUMN_ASKED, 8, write_size},
	{"CreatedAt", "CREATED AT", COLUMN_ASKED, 8, write_created_at},
	{"Labels", "LABELS", COLUMN_ASKED, 8, row_labels},
	{"LocalVolumes", "LOCAL VOLUMES", COLUMN_ASKED, GRID_FIXED, write_local_volumes, .rank = 2, .may_go = true},
	{"Mounts", "MOUNTS", COLUMN_ASKED, 8, write_mounts},
	{"Networks", "NETWORKS", COLUMN_ASKED, 8, write_networks},
	{"State", "STATE", COLUMN_ASKED, 8, .key = "State"},
	{"Label", .use = COLUMN_HIDDEN, .object = "Labels"},
	{NULL},
};

/* ---- the command ---- */

static fallible make_target(Buffer *target, const PsOptions *given)
{
	int64_t limit = given->latest ? 1 : given->last;

	buffer_add_text(target, "/containers/json");
	target_query_flag(target, "all", given->all);
	if (limit > 0)
		target_query_int(target, "limit", limit);
	target_query_flag(target, "size", given->size || (given->format && strstr(given->format, ".Size")));
	return target_query_filters(target, &given->filters);
}

Row *container_rows(const Value *list, bool truncates)
{
	Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));
	int64_t now = clock_wall_ns();

	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i), .now_ns = now, .truncates = truncates};
	return rows;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const PsOptions *given = opts;
	Listing listing = {.columns = container_columns,
		.format = given->format,
		.is_quiet = given->quiet,
		.truncates = !given->no_trunc};
	autoclear(Buffer) target = {0};
	autoptr(Value) list = NULL;

	(void)arguments;
	if (given->size)
		listing.shown = "ID Image Command RunningFor Status Ports Names Size";
	TRY(listing_check(&listing));
	TRY(make_target(&target, given));
	TRY(api_get(cli, &list, buffer_text(&target)));
	autofree Row *rows = container_rows(list, !given->no_trunc);
	return listing_print(&listing, rows, value_count(list));
}

static const char *const aliases[] = {"container ls", "container list", "container ps", NULL};

const Command ps_command = {
	.name = "ps",
	.aliases = aliases,
	.usage = "[OPTIONS]",
	.summary = "List containers",
	.options = options,
	.options_size = sizeof(PsOptions),
	.defaults = &defaults,
	.run = run,
};
