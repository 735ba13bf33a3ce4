// SPDX-License-Identifier: Apache-2.0
/* kedge-pack: writes archives of file trees and images to standard output, and measures trees, for kedged or by hand.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "base/options.h"
#include "base/rootfs.h"
#include "fetch/hash.h"
#include "fetch/squeeze.h"
#include "pack/changes.h"
#include "pack/copy.h"
#include "pack/filter.h"
#include "pack/layer.h"
#include "pack/plan.h"
#include "pack/tree.h"
#include "pack/view.h"

typedef struct Options {
	bool tree, volume, layer, plan, sizes, changes, difference, help, version;
	char *lower, *copy, *look;
} Options;

#define HELP_WIDTH 100
#define OPTION_AT(member) .offset = offsetof(Options, member)

enum { PATHS_MAX = 16 << 20 };

static const Option options_table[] = {
	{.name = "tree", .kind = OPTION_SWITCH, OPTION_AT(tree), .help = "write an archive of what is in DIRECTORY"},
	{.name = "volume",
		.kind = OPTION_SWITCH,
		OPTION_AT(volume),
		.help = "write an archive of DIRECTORY: itself, and what is in it"},
	{.name = "lower",
		.kind = OPTION_STRING,
		OPTION_AT(lower),
		.argument = "NAMES",
		.help = "DIRECTORY lies on these layers of the working directory, topmost first"},
	{.name = "layer",
		.kind = OPTION_SWITCH,
		OPTION_AT(layer),
		.help = "write the image layer in DIRECTORY, compressed, and behind it two lines: its digest, and that "
			"of "
			"what it holds"},
	{.name = "plan",
		.kind = OPTION_SWITCH,
		OPTION_AT(plan),
		.help = "write the archive that standard input describes, of files in DIRECTORY"},
	{.name = "sizes",
		.kind = OPTION_SWITCH,
		OPTION_AT(sizes),
		.help = "for each path of standard input (each ends with a NUL): write the bytes in it"},
	{.name = "copy",
		.kind = OPTION_STRING,
		OPTION_AT(copy),
		.argument = "PATH",
		.help = "write what PATH is in DIRECTORY, ended by a NUL, and an archive of it; without DIRECTORY, in "
			"what standard input describes"},
	{.name = "look",
		.kind = OPTION_STRING,
		OPTION_AT(look),
		.argument = "PATH",
		.help = "as --copy, without the archive"},
	{.name = "changes",
		.kind = OPTION_SWITCH,
		OPTION_AT(changes),
		.help = "for each path that DIRECTORY changes of the layers that --lower names: write A, C or D, the "
			"path and a NUL"},
	{.name = "difference",
		.kind = OPTION_SWITCH,
		OPTION_AT(difference),
		.help = "write the same changes as the archive of a layer"},
	{.name = "help", .letter = 'h', .kind = OPTION_SWITCH, OPTION_AT(help), .help = "show this help"},
	{.name = "version", .kind = OPTION_SWITCH, OPTION_AT(version), .help = "show the version"},
	OPTION_END,
};

static void show_help(void)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text, "Usage: kedge-pack --tree [--lower NAMES] DIRECTORY\n"
			       "       kedge-pack --volume DIRECTORY\n"
			       "       kedge-pack --layer DIRECTORY\n"
			       "       kedge-pack --plan DIRECTORY\n"
			       "       kedge-pack --changes|--difference [--lower NAMES] DIRECTORY\n"
			       "       kedge-pack --copy|--look PATH [DIRECTORY]\n"
			       "       kedge-pack --sizes\n\n"
			       "Writes a tar archive to standard output, or measures trees. Needs root.\n\n"
			       "Options:\n");
	options_help(options_table, &text, HELP_WIDTH);
	fputs(buffer_text(&text), stdout);
}

static fallible enter(int root)
{
	TRY(view_enter(root));
	return pack_filter_load();
}

static fallible write_tree(const char *directory, const char *lower, Error *(*pack)(TarOut *out, int root))
{
	autoclear(TarOut) out = {0};
	int root;

	if (lower)
		TRY(view_open_stacked(&root, directory, lower));
	else
		TRY(view_open(&root, directory));
	autofd fd = root;
	TRY(enter(fd));
	tar_out_init(&out, STDOUT_FILENO);
	TRY(pack(&out, fd));
	return tar_out_end(&out);
}

static fallible write_layer(const char *directory)
{
	autoptr(Squeeze) squeeze = NULL;
	autoptr(Table) opaque = table_new();
	autoclear(TarOut) out = {0};
	Digest diff_id, digest;
	int root;

	hash_prepare();
	squeeze = squeeze_new(STDOUT_FILENO);
	TRY(view_open(&root, directory));
	autofd fd = root;
	TRY(layer_opaque(opaque, fd));
	TRY(enter(fd));
	tar_out_init_sink(&out, squeeze_add, squeeze);
	TRY(pack_layer(&out, fd, opaque, NULL));
	TRY(tar_out_end(&out));
	TRY(squeeze_end(squeeze, &diff_id, &digest));
	autofree char *lines = string_printf("%s\n%s\n", digest.text, diff_id.text);
	return file_write_all(STDOUT_FILENO, lines, strlen(lines), "archive");
}

/* What a container's upper directory makes of the layers below: as a list, or as a layer. */
static fallible write_changes(const char *directory, const char *lower, bool as_layer)
{
	autoclear(Changes) changes = {0};
	autoclear(TarOut) out = {0};
	autoptr(Table) opaque = table_new();
	int root, below;

	TRY(view_open(&root, directory));
	autofd fd = root;
	TRY(view_open_lower(&below, lower ? lower : ""));
	autofd lower_fd = below;
	TRY(layer_opaque(opaque, fd));
	TRY(changes_find(&changes, fd, lower_fd, opaque));
	close_fd(&lower_fd);
	TRY(enter(fd));
	tar_out_init(&out, STDOUT_FILENO);
	if (as_layer) {
		TRY(pack_layer(&out, fd, opaque, changes.made));
		return tar_out_end(&out);
	}
	for (size_t i = 0; i < changes.lines.count; i++)
		TRY(tar_out_data(&out, changes.lines.items[i], strlen(changes.lines.items[i]) + 1));
	return tar_out_flush(&out);
}

static fallible write_plan(const char *directory)
{
	autoclear(TarOut) out = {0};
	autofree char *plan = NULL;
	size_t length;
	int files;

	TRY(file_read_fd(&plan, &length, STDIN_FILENO, "plan", PLAN_MAX));
	TRY(view_open(&files, directory));
	autofd fd = files;
	TRY(enter(fd));
	tar_out_init(&out, STDOUT_FILENO);
	TRY(pack_plan(&out, fd, plan, length));
	return tar_out_end(&out);
}

static fallible open_described(int *ret_root)
{
	autofree char *text = NULL;
	size_t length;

	TRY(file_read_fd(&text, &length, STDIN_FILENO, "description", ROOTFS_MAX));
	return rootfs_mount(ret_root, text, length);
}

/* directory NULL: a root file system that standard input describes. */
static fallible write_copy(const char *path, const char *directory, bool with_archive)
{
	autoclear(TarOut) out = {0};
	autoclear(CopySource) source = {0};
	autoclear(Buffer) words = {0};
	int root;

	if (directory)
		TRY(view_open(&root, directory));
	else
		TRY(open_described(&root));
	autofd fd = root;
	TRY(enter(fd));
	TRY(copy_find(&source, fd, path));
	copy_describe(&words, &source);
	TRY(file_write_all(STDOUT_FILENO, words.data, words.length, "archive"));
	if (!with_archive)
		return NULL;
	tar_out_init(&out, STDOUT_FILENO);
	TRY(copy_pack(&out, &source));
	return tar_out_end(&out);
}

/* A tree that is gone holds nothing; one that cannot be read does not hide the others. */
static void write_size(const char *path)
{
	int64_t bytes = 0;
	Error *error = file_exists(AT_FDCWD, path) ? tree_size(&bytes, AT_FDCWD, path) : NULL;

	printf("%lld\n", error ? -1LL : (long long)bytes);
	error_free(error); /* -1 says it */
}

static fallible write_sizes(void)
{
	autofree char *paths = NULL;
	size_t length;

	TRY(file_read_fd(&paths, &length, STDIN_FILENO, "list", PATHS_MAX));
	TRY(view_restrict());
	TRY(pack_filter_load());
	for (const char *path = paths; path < paths + length; path += strlen(path) + 1)
		write_size(path);
	return NULL;
}

/* One mode, and the arguments that it takes. */
static bool is_usable(const Options *options, size_t arguments)
{
	int modes = options->tree + options->volume + options->layer + options->plan + options->sizes +
		    options->changes + options->difference + !!options->copy + !!options->look;

	if (modes != 1)
		return false;
	return options->copy || options->look ? arguments <= 1 : arguments == !options->sizes;
}

static fallible run_mode(const Options *options, const StringList *arguments)
{
	const char *directory = arguments->count ? arguments->items[0] : NULL;

	if (!is_usable(options, arguments->count))
		return error_hint(error_new(ERROR_INVALID, "give one of --tree, --volume, --layer, --plan, --changes, "
							   "--difference, --copy, --look and --sizes, and a directory"),
			"see kedge-pack --help");
	if (options->sizes)
		return write_sizes();
	if (options->copy || options->look)
		return write_copy(options->copy ? options->copy : options->look, directory, options->copy != NULL);
	if (options->changes || options->difference)
		return write_changes(directory, options->lower, options->difference);
	if (options->layer)
		return write_layer(directory);
	if (options->volume)
		return write_tree(directory, NULL, pack_whole_tree);
	return options->tree ? write_tree(directory, options->lower, pack_tree) : write_plan(directory);
}

static fallible run(int argc, char *const *argv)
{
	Options options = {0};
	autoclear(StringList) arguments = {0};

	TRY(options_parse(options_table, &options, argc - 1, argv + 1, 0, &arguments));
	if (options.help) {
		show_help();
		return NULL;
	}
	if (options.version) {
		printf("kedge-pack %s\n", KEDGE_VERSION);
		return NULL;
	}
	return run_mode(&options, &arguments);
}

int main(int argc, char **argv)
{
	Error *error;

	log_set_name("kedge-pack");
	signal(SIGPIPE, SIG_DFL); /* nobody reads any more: there is nothing left to do */
	error = run(argc, argv);
	if (!error)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s\n", error_message(error));
	return error_exit_code(error_kind(error));
}
