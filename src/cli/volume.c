// SPDX-License-Identifier: Apache-2.0
/* "volume create", "ls" and "rm"; "volume inspect" is inspect.c's, "volume prune" prune.c's. */
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/container_options.h"
#include "cli/grid.h"
#include "cli/listing.h"

#define CLUSTER "there are no volumes of a cluster"

/* ---- create ---- */

typedef struct CreateOptions {
	bool help;
	char *driver;
	StringList labels, options;
} CreateOptions;

static const Option create_table[] = {
	HELP_OPTION(CreateOptions),
	{"driver", 'd', OPTION_STRING, offsetof(CreateOptions, driver), "NAME", "the driver (default: local)",
		.complete = "local"},
	{"label", 0, OPTION_LIST, offsetof(CreateOptions, labels), "NAME[=VALUE]", "set a label"},
	{"opt", 'o', OPTION_LIST, offsetof(CreateOptions, options), "NAME=VALUE",
		"a file system that is mounted while the volume is used: type, device and o, as mount(8) has them",
		.complete = "type= device= o="},
	{"availability", 0, OPTION_REFUSED, .argument = "WORD", .help = CLUSTER},
	{"group", 0, OPTION_REFUSED, .argument = "NAME", .help = CLUSTER},
	{"limit-bytes", 0, OPTION_REFUSED, .argument = "BYTES", .help = CLUSTER},
	{"required-bytes", 0, OPTION_REFUSED, .argument = "BYTES", .help = CLUSTER},
	{"scope", 0, OPTION_REFUSED, .argument = "WORD", .help = CLUSTER},
	{"secret", 0, OPTION_REFUSED, .argument = "NAME=VALUE", .help = CLUSTER},
	{"sharing", 0, OPTION_REFUSED, .argument = "WORD", .help = CLUSTER},
	{"topology-preferred", 0, OPTION_REFUSED, .argument = "NAME=VALUE", .help = CLUSTER},
	{"topology-required", 0, OPTION_REFUSED, .argument = "NAME=VALUE", .help = CLUSTER},
	{"type", 0, OPTION_REFUSED, .argument = "WORD", .help = CLUSTER},
	OPTION_END,
};

static fallible write_body(Writer *writer, const CreateOptions *given, const char *name)
{
	write_object(writer, NULL);
	if (name)
		write_string(writer, "Name", name);
	if (given->driver)
		write_string(writer, "Driver", given->driver);
	TRY(pairs_write(writer, "Labels", &given->labels, "label", false));
	TRY(pairs_write(writer, "DriverOpts", &given->options, "opt", true));
	write_object_end(writer);
	return NULL;
}

static fallible run_create(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) body = {0};
	autoptr(Value) answer = NULL;
	Writer writer;

	writer_init(&writer, &body);
	TRY(write_body(&writer, opts, arguments->count ? arguments->items[0] : NULL));
	TRY(api_post(cli, &answer, "/volumes/create", buffer_text(&body)));
	puts(value_string(value_get(answer, "Name")));
	return NULL;
}

const Command volume_create_command = {
	.name = "volume create",
	.usage = "[OPTIONS] [VOLUME]",
	.summary = "Make a volume",
	.options = create_table,
	.options_size = sizeof(CreateOptions),
	.arguments_max = 1,
	.run = run_create,
};

/* ---- ls ---- */

typedef struct ListOptions {
	bool help, quiet;
	char *format;
	StringList filters;
} ListOptions;

static const Option list_table[] = {
	HELP_OPTION(ListOptions),
	{"filter", 'f', OPTION_LIST, offsetof(ListOptions, filters), "NAME=VALUE",
		"only those that match: name, driver, label, label!, dangling",
		.complete = "name= driver= label= dangling="},
	{"format", 0, OPTION_STRING, offsetof(ListOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Name}}: {{.Mountpoint}}\"",
		.complete = "table json"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(ListOptions, quiet), .help = "print names only"},
	{"cluster", 0, OPTION_REFUSED, .help = CLUSTER},
	OPTION_END,
};

/* Of a volume in a list these are not known, as Docker's client has it. */
static void write_unknown(Buffer *out, const Row *row)
{
	(void)row;
	buffer_add_text(out, "N/A");
}

static const Column columns[] = {
	{"Driver", "DRIVER", COLUMN_SHOWN, GRID_FIXED, .key = "Driver"},
	{"Name", "VOLUME NAME", COLUMN_SHOWN, 8, .key = "Name"},
	{"Scope", "SCOPE", COLUMN_ASKED, GRID_FIXED, .key = "Scope"},
	{"Mountpoint", "MOUNTPOINT", COLUMN_ASKED, 8, .key = "Mountpoint"},
	{"Labels", "LABELS", COLUMN_ASKED, 8, row_labels},
	{"Links", "LINKS", COLUMN_ASKED, GRID_FIXED, write_unknown},
	{"Size", "SIZE", COLUMN_ASKED, GRID_FIXED, write_unknown},
	{"Label", .use = COLUMN_HIDDEN, .object = "Labels"},
	{NULL},
};

static fallible run_list(Cli *cli, const void *opts, const StringList *arguments)
{
	const ListOptions *given = opts;
	const Listing listing = {
		.columns = columns, .format = given->quiet ? "{{.Name}}" : given->format, .truncates = false};
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	(void)arguments;
	TRY(listing_check(&listing));
	buffer_add_text(&target, "/volumes");
	TRY(target_query_filters(&target, &given->filters));
	TRY(api_get(cli, &answer, buffer_text(&target)));
	const Value *list = value_get(answer, "Volumes");
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));
	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i)};
	return listing_print(&listing, rows, value_count(list));
}

static const char *const list_aliases[] = {"volume list", NULL};

const Command volume_ls_command = {
	.name = "volume ls",
	.aliases = list_aliases,
	.usage = "[OPTIONS]",
	.summary = "List volumes",
	.options = list_table,
	.options_size = sizeof(ListOptions),
	.run = run_list,
};

/* ---- rm ---- */

typedef struct RemoveOptions {
	bool help, force;
} RemoveOptions;

static const Option remove_table[] = {
	HELP_OPTION(RemoveOptions),
	{"force", 'f', OPTION_SWITCH, offsetof(RemoveOptions, force), .help = "one that is not there is fine"},
	OPTION_END,
};

static fallible remove_one(Cli *cli, const char *name, const void *opts)
{
	const RemoveOptions *given = opts;
	autoclear(Buffer) target = {0};

	target_path(&target, "/volumes/", name, "");
	target_query_flag(&target, "force", given->force);
	return api_delete(cli, NULL, buffer_text(&target));
}

static fallible run_remove(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, remove_one, opts, true);
}

static const char *const remove_aliases[] = {"volume remove", NULL};

const Command volume_rm_command = {
	.name = "volume rm",
	.aliases = remove_aliases,
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Remove volumes that no container uses",
	.options = remove_table,
	.options_size = sizeof(RemoveOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "volume",
	.run = run_remove,
};
