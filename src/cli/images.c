// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/image_name.h"
#include "cli/tables.h"
#include "cli/units.h"

enum { SHORT_ID = 12 };

typedef struct ImagesOptions {
	bool help, all, digests, no_trunc, quiet;
	char *format;
	StringList filters;
} ImagesOptions;

static const Option options[] = {
	HELP_OPTION(ImagesOptions),
	{"all", 'a', OPTION_SWITCH, offsetof(ImagesOptions, all), .help = "show all images"},
	{"digests", 0, OPTION_SWITCH, offsetof(ImagesOptions, digests), .help = "show digests"},
	{"filter", 'f', OPTION_LIST, offsetof(ImagesOptions, filters), "NAME=VALUE",
		"only those that match: reference, dangling, label, label!, before, since",
		.complete = "reference= dangling= label= before= since="},
	{"format", 0, OPTION_STRING, offsetof(ImagesOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Repository}}:{{.Tag}}\"",
		.complete = "table json"},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(ImagesOptions, no_trunc), .help = "do not cut long cells"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(ImagesOptions, quiet), .help = "print ids only"},
	{"tree", 0, OPTION_REFUSED, .help = "an image is kept for one platform"},
	OPTION_END,
};

/* ---- fields ---- */

static void write_id(Buffer *out, const Row *row)
{
	const char *id = value_string(value_get(row->item, "Id"));

	if (!id)
		return;
	if (row->truncates && string_starts(id, "sha256:"))
		buffer_printf(out, "%.*s", SHORT_ID, id + strlen("sha256:"));
	else
		buffer_add_text(out, id);
}

static void write_repository(Buffer *out, const Row *row)
{
	autoclear(ImageName) name = {0};

	image_name_split(&name, row->reference ? row->reference : "<none>");
	buffer_add_text(out, name.name);
}

static bool is_digest(const char *tag)
{
	return strchr(tag, ':') != NULL;
}

static void write_tag(Buffer *out, const Row *row)
{
	autoclear(ImageName) name = {0};

	image_name_split(&name, row->reference ? row->reference : "");
	buffer_add_text(out, name.tag && !is_digest(name.tag) ? name.tag : "<none>");
}

static bool is_same_repository(const char *digest_reference, const char *reference)
{
	autoclear(ImageName) a = {0}, b = {0};

	image_name_split(&a, digest_reference);
	image_name_split(&b, reference);
	return string_equal(a.name, b.name);
}

static const char *digest_of(const Row *row)
{
	const Value *digests = value_get(row->item, "RepoDigests");

	for (size_t i = 0; row->reference && i < value_count(digests); i++) {
		const char *text = value_string(value_at(digests, i)), *at = text ? strchr(text, '@') : NULL;
		if (at && is_same_repository(text, row->reference))
			return at + 1;
	}
	return "<none>";
}

static void write_digest(Buffer *out, const Row *row)
{
	buffer_add_text(out, digest_of(row));
}

static int64_t created_ns(const Row *row)
{
	return value_int(value_get(row->item, "Created"), 0) * NANOS_PER_SECOND;
}

static void write_created_since(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_age(text, created_ns(row), row->now_ns);
	buffer_add_text(out, text);
}

static void write_created_at(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_local_time(text, created_ns(row));
	buffer_add_text(out, text);
}

static void write_bytes(Buffer *out, const Row *row, const char *key)
{
	char text[UNITS_TEXT_MAX];
	int64_t bytes = value_int(value_get(row->item, key), -1);

	units_decimal(text, (double)bytes, 3);
	buffer_add_text(out, bytes < 0 ? "N/A" : text);
}

static void write_size(Buffer *out, const Row *row)
{
	write_bytes(out, row, "Size");
}

static void write_virtual_size(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_decimal(text, value_double(value_get(row->item, "Size"), 0), 4);
	buffer_add_text(out, text);
}

/* Known where the daemon was asked what images share. */
static void write_unique_size(Buffer *out, const Row *row)
{
	int64_t shared = value_int(value_get(row->item, "SharedSize"), -1);
	char text[UNITS_TEXT_MAX];

	units_decimal(text, (double)(value_int(value_get(row->item, "Size"), 0) - shared), 4);
	buffer_add_text(out, shared < 0 ? "N/A" : text);
}

static void write_shared_size(Buffer *out, const Row *row)
{
	write_bytes(out, row, "SharedSize");
}

static void write_containers(Buffer *out, const Row *row)
{
	int64_t count = value_int(value_get(row->item, "Containers"), -1);

	if (count < 0)
		buffer_add_text(out, "N/A");
	else
		buffer_printf(out, "%lld", (long long)count);
}

const Column image_columns[] = {
	{"Repository", "REPOSITORY", COLUMN_SHOWN, 10, write_repository},
	{"Tag", "TAG", COLUMN_SHOWN, 6, write_tag},
	{"Digest", "DIGEST", COLUMN_ASKED, 19, write_digest, .rank = 1},
	{"ID", "IMAGE ID", COLUMN_SHOWN, GRID_FIXED, write_id},
	{"CreatedSince", "CREATED", COLUMN_SHOWN, 10, write_created_since},
	{"CreatedAt", "CREATED AT", COLUMN_ASKED, 10, write_created_at},
	{"Size", "SIZE", COLUMN_SHOWN, GRID_FIXED, write_size},
	{"SharedSize", "SHARED SIZE", COLUMN_ASKED, GRID_FIXED, write_shared_size, .rank = 1, .may_go = true},
	{"VirtualSize", "VIRTUAL SIZE", COLUMN_ASKED, GRID_FIXED, write_virtual_size},
	{"UniqueSize", "UNIQUE SIZE", COLUMN_ASKED, GRID_FIXED, write_unique_size},
	{"Containers", "CONTAINERS", COLUMN_ASKED, GRID_FIXED, write_containers, .rank = 2, .may_go = true},
	{NULL},
};

/* ---- rows: one for each name of an image ---- */

typedef struct Rows {
	Row *items;
	size_t count;
	bool truncates;
	int64_t now_ns;
} Rows;

static void add_row(Rows *rows, const Value *item, const char *reference)
{
	rows->items = mem_array(rows->items, rows->count + 1, sizeof(Row));
	rows->items[rows->count++] =
		(Row){.item = item, .reference = reference, .now_ns = rows->now_ns, .truncates = rows->truncates};
}

static bool is_nameless(const char *reference)
{
	return !reference || string_equal(reference, "<none>:<none>") || string_equal(reference, "<none>@<none>");
}

/* What was pulled by digest has no tag, but a name. */
static const char *digest_reference(const Value *item)
{
	const char *reference = value_string(value_at(value_get(item, "RepoDigests"), 0));

	return is_nameless(reference) ? NULL : reference;
}

static void add_image(Rows *rows, const Value *item)
{
	const Value *tags = value_get(item, "RepoTags");
	size_t before = rows->count;

	for (size_t i = 0; i < value_count(tags); i++) {
		const char *tag = value_string(value_at(tags, i));
		if (!is_nameless(tag))
			add_row(rows, item, tag);
	}
	if (rows->count == before)
		add_row(rows, item, digest_reference(item));
}

Row *image_rows(const Value *list, bool truncates, size_t *ret_count)
{
	Rows rows = {.truncates = truncates, .now_ns = clock_wall_ns()};

	for (size_t i = 0; i < value_count(list); i++)
		add_image(&rows, value_at(list, i));
	*ret_count = rows.count;
	return rows.items;
}

/* ---- the command ---- */

static fallible make_target(Buffer *target, const ImagesOptions *given, const StringList *arguments)
{
	autoclear(StringList) filters = {0};

	strings_copy(&filters, &given->filters);
	if (arguments->count > 0)
		strings_printf(&filters, "reference=%s", arguments->items[0]);
	buffer_add_text(target, "/images/json");
	target_query_flag(target, "all", given->all);
	target_query_flag(target, "digests", given->digests);
	return target_query_filters(target, &filters);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ImagesOptions *given = opts;
	Listing listing = {.columns = image_columns,
		.format = given->format,
		.is_quiet = given->quiet,
		.truncates = !given->no_trunc};
	autoclear(Buffer) target = {0};
	autoptr(Value) list = NULL;
	size_t count;

	if (given->digests)
		listing.shown = "Repository Tag Digest ID CreatedSince Size";
	TRY(listing_check(&listing));
	TRY(make_target(&target, given, arguments));
	TRY(api_get(cli, &list, buffer_text(&target)));
	autofree Row *rows = image_rows(list, !given->no_trunc, &count);
	return listing_print(&listing, rows, count);
}

static const char *const aliases[] = {"image ls", "image list", NULL};

const Command images_command = {
	.name = "images",
	.aliases = aliases,
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.summary = "List images",
	.options = options,
	.options_size = sizeof(ImagesOptions),
	.arguments_max = 1,
	.arguments = "image",
	.run = run,
};
