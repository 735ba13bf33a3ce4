// SPDX-License-Identifier: Apache-2.0
/* "get", "set" and "delete": containers that are declared. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/declared_changes.h"
#include "cli/grid.h"
#include "cli/indent.h"
#include "cli/listing.h"
#include "cli/terminal.h"

#define CONTAINERS "/kedge/v1/containers"

/* ---- get ---- */

typedef struct GetOptions {
	bool help, quiet;
	char *output, *format;
} GetOptions;

static const Option get_table[] = {
	HELP_OPTION(GetOptions),
	{"format", 0, OPTION_STRING, offsetof(GetOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Name}}: {{.Reason}}\"",
		.complete = "table json"},
	{"output", 'o', OPTION_STRING, offsetof(GetOptions, output), "FORM",
		"yaml: the declarations; json: all that is known of them", .complete = "yaml json"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(GetOptions, quiet), .help = "print names only"},
	OPTION_END,
};

static const char *text_at(const Value *item, const char *path)
{
	const char *text = value_string(value_path(item, path));

	return text ? text : "";
}

static void write_name(Buffer *out, const Row *row)
{
	buffer_add_text(out, text_at(row->item, "name"));
}

static void write_image(Buffer *out, const Row *row)
{
	buffer_add_text(out, text_at(row->item, "image"));
}

static void write_enabled(Buffer *out, const Row *row)
{
	buffer_add_text(out, value_bool(value_get(row->item, "enabled"), false) ? "yes" : "no");
}

static void write_state(Buffer *out, const Row *row)
{
	const char *state = text_at(row->item, "container.state"), *health = text_at(row->item, "container.health");

	buffer_add_text(out, *state ? state : "absent");
	if (*health && strcmp(health, "none") != 0)
		buffer_printf(out, " (%s)", health);
}

static void write_as_declared(Buffer *out, const Row *row)
{
	buffer_add_text(out, value_bool(value_get(row->item, "asDeclared"), false) ? "yes" : "no");
}

/* What is wrong with the file comes first: the container is as it was before. */
static void write_reason(Buffer *out, const Row *row)
{
	const char *problem = text_at(row->item, "problem");

	buffer_add_text(out, *problem ? problem : text_at(row->item, "reason"));
}

static void write_file(Buffer *out, const Row *row)
{
	buffer_add_text(out, text_at(row->item, "file"));
}

static void write_container(Buffer *out, const Row *row)
{
	buffer_printf(out, "%.12s", text_at(row->item, "container.id"));
}

static const Column columns[] = {
	{"Name", "NAME", COLUMN_SHOWN, 8, write_name},
	{"Image", "IMAGE", COLUMN_SHOWN, 8, write_image},
	{"Enabled", "ENABLED", COLUMN_ASKED, GRID_FIXED, write_enabled},
	{"State", "STATE", COLUMN_SHOWN, GRID_FIXED, write_state},
	{"AsDeclared", "AS DECLARED", COLUMN_SHOWN, GRID_FIXED, write_as_declared},
	{"Reason", "REASON", COLUMN_SHOWN, 16, write_reason},
	{"File", "FILE", COLUMN_ASKED, 8, write_file},
	{"Container", "CONTAINER ID", COLUMN_ASKED, GRID_FIXED, write_container},
	{NULL},
};

static fallible check_output(const GetOptions *given)
{
	if (!given->output || strcmp(given->output, "yaml") == 0 || strcmp(given->output, "json") == 0)
		return NULL;
	return error_new(ERROR_INVALID, "output \"%s\" is neither yaml nor json", given->output);
}

static void print_yaml(const Value *items)
{
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < value_count(items); i++) {
		buffer_add_text(&out, i ? "---\n" : "");
		value_write_yaml(value_get(value_at(items, i), "declaration"), &out);
	}
	fputs(buffer_text(&out), stdout);
}

static void print_json(const Value *value)
{
	autoclear(Buffer) text = {0}, out = {0};

	value_write(value, &text);
	json_indent(&out, buffer_text(&text), text.length, 0);
	puts(buffer_text(&out));
}

static fallible print_table(const GetOptions *given, const Value *items)
{
	const Listing listing = {.columns = columns, .format = given->quiet ? "{{.Name}}" : given->format};
	autofree Row *rows = mem_array(NULL, value_count(items) + 1, sizeof(Row));

	for (size_t i = 0; i < value_count(items); i++)
		rows[i] = (Row){.item = value_at(items, i)};
	return listing_print(&listing, rows, value_count(items));
}

static void print_problems(const Value *problems)
{
	fflush(stdout);
	for (size_t i = 0; i < value_count(problems); i++)
		terminal_tell(stderr, "WARNING", NULL, value_string(value_at(problems, i)));
}

/* ---- one sentence about one ---- */

static const char *how_it_is(const Value *item)
{
	const char *state = text_at(item, "container.state");

	if (!value_bool(value_get(item, "enabled"), false))
		return "it is not enabled, and not there";
	if (string_equal(text_at(item, "container.health"), "starting"))
		return "it runs, and its health check has not succeeded yet";
	return string_equal(state, "exited") ? "it has ended with status 0" : "it runs";
}

static char *explanation(const Value *item)
{
	const char *name = text_at(item, "name"), *reason = text_at(item, "reason"),
		   *problem = text_at(item, "problem");

	if (*problem)
		return string_printf(
			"%s: its file \"%s\" is left aside, and what it has declared before still counts: %s", name,
			text_at(item, "file"), problem);
	if (value_bool(value_get(item, "asDeclared"), false))
		return string_printf("%s is as declared: %s", name, how_it_is(item));
	return string_printf("%s is not as declared: %s", name, *reason ? reason : "it is being looked at");
}

static void print_notes(const Value *notes)
{
	for (size_t i = 0; i < value_count(notes); i++)
		printf("note: %s\n", value_string(value_at(notes, i)));
}

static void explain(const Value *item)
{
	autofree char *sentence = explanation(item);
	autofree char *safe = text_harmless(sentence);

	printf("\n%s\n", safe);
	print_notes(value_get(item, "notes"));
	print_notes(value_get(item, "fileNotes"));
}

static fallible print(const GetOptions *given, const Value *answer, const Value *items)
{
	if (!given->output)
		return print_table(given, items);
	if (strcmp(given->output, "yaml") == 0)
		print_yaml(items);
	else
		print_json(answer);
	return NULL;
}

static fallible run_get(Cli *cli, const void *opts, const StringList *arguments)
{
	const GetOptions *given = opts;
	const Listing listing = {.columns = columns, .format = given->format};
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;
	autoptr(Value) one = value_array();

	TRY(check_output(given));
	TRY(listing_check(&listing));
	target_path(&target, arguments->count ? CONTAINERS "/" : CONTAINERS,
		arguments->count ? arguments->items[0] : "", "");
	TRY(api_get(cli, &answer, buffer_text(&target)));
	value_append(one, value_ref(answer));
	TRY(print(given, answer, arguments->count ? one : value_get(answer, "containers")));
	if (arguments->count && !given->format && !given->quiet && !given->output)
		explain(answer);
	print_problems(value_get(answer, "problems"));
	return NULL;
}

const Command get_command = {
	.name = "get",
	.usage = "[OPTIONS] [CONTAINER]",
	.summary = "Show what is declared, and how far it is so",
	.example = "get web",
	.options = get_table,
	.options_size = sizeof(GetOptions),
	.arguments_max = 1,
	.arguments = "container",
	.run = run_get,
};

/* ---- set ---- */

typedef struct SetOptions {
	bool help, dry_run;
} SetOptions;

static const Option set_table[] = {
	HELP_OPTION(SetOptions),
	{"dry-run", 0, OPTION_SWITCH, offsetof(SetOptions, dry_run),
		.help = "show what would change, and change nothing"},
	OPTION_END,
};

static fallible run_set(Cli *cli, const void *opts, const StringList *arguments)
{
	const SetOptions *given = opts;
	autoptr(Value) fields = value_object();
	autoptr(Value) answer = NULL;
	autoclear(Buffer) target = {0}, body = {0};

	TRY(declared_read_fields(fields, arguments, 1));
	value_write(fields, &body);
	target_path(&target, CONTAINERS "/", arguments->items[0], "/fields");
	target_query_flag(&target, "dry-run", given->dry_run);
	TRY(api_post(cli, &answer, buffer_text(&target), buffer_text(&body)));
	declared_print_change(value_at(value_get(answer, "changes"), 0), given->dry_run);
	return NULL;
}

const Command set_command = {
	.name = "set",
	.usage = "[OPTIONS] CONTAINER FIELD=VALUE [FIELD=VALUE...]",
	.summary = "Change fields of a declared container",
	.example = "set web enabled=false",
	.options = set_table,
	.options_size = sizeof(SetOptions),
	.arguments_min = 2,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run_set,
};

/* ---- delete ---- */

typedef struct DeleteOptions {
	bool help;
} DeleteOptions;

static const Option delete_table[] = {HELP_OPTION(DeleteOptions), OPTION_END};

static fallible delete_one(Cli *cli, const char *name, const void *opts)
{
	autoclear(Buffer) target = {0};

	(void)opts;
	target_path(&target, CONTAINERS "/", name, "");
	return api_delete(cli, NULL, buffer_text(&target));
}

static fallible run_delete(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, delete_one, opts, true);
}

const Command delete_command = {
	.name = "delete",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Withdraw declarations: their containers are stopped and removed",
	.options = delete_table,
	.options_size = sizeof(DeleteOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run_delete,
};
