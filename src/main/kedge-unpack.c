// SPDX-License-Identifier: Apache-2.0
/* kedge-unpack: unpacks one archive in a jail, for kedged (--serve) or by hand. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/log.h"
#include "base/options.h"
#include "fetch/hash.h"
#include "fetch/unpack/jail.h"
#include "fetch/unpack/pipeline.h"
#include "fetch/unpack/serve.h"
#include "fetch/unpack_wire.h"

typedef struct Options {
	bool layer, archive, serve, sync, help, version;
	int64_t max_bytes, max_entries, max_depth;
} Options;

#define HELP_WIDTH 100
#define OPTION_AT(member) .offset = offsetof(Options, member)

static const Option options_table[] = {
	{.name = "layer", .kind = OPTION_SWITCH, OPTION_AT(layer), .help = "FILE is an image layer"},
	{.name = "archive",
		.kind = OPTION_SWITCH,
		OPTION_AT(archive),
		.help = "FILE is an image archive (docker save, OCI layout)"},
	{.name = "max-bytes",
		.kind = OPTION_BYTES,
		OPTION_AT(max_bytes),
		.argument = "BYTES",
		.help = "unpack no more than that (64g)"},
	{.name = "max-entries",
		.kind = OPTION_INT,
		OPTION_AT(max_entries),
		.argument = "COUNT",
		.help = "take no more entries than that (2000000)",
		.min = 1,
		.max = INT64_MAX},
	{.name = "max-depth",
		.kind = OPTION_INT,
		OPTION_AT(max_depth),
		.argument = "COUNT",
		.help = "take no path with more parts than that (128)",
		.min = 1,
		.max = PATH_MAX},
	{.name = "sync", .kind = OPTION_SWITCH, OPTION_AT(sync), .help = "write everything to the disk before ending"},
	{.name = "serve", .kind = OPTION_SWITCH, OPTION_AT(serve), .help = "for kedged: take orders from descriptor 3"},
	{.name = "help", .letter = 'h', .kind = OPTION_SWITCH, OPTION_AT(help), .help = "show this help"},
	{.name = "version", .kind = OPTION_SWITCH, OPTION_AT(version), .help = "show the version"},
	OPTION_END,
};

static void show_help(void)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text,
		"Usage: kedge-unpack --layer|--archive [OPTIONS] FILE DIRECTORY\n\n"
		"Unpacks FILE (tar, plain or compressed with gzip or zstd) below DIRECTORY, from inside a jail\n"
		"whose root DIRECTORY is. Prints the diff id (sha256 of the uncompressed tar), then a line for\n"
		"each opaque directory of a layer, or for the digest of each file of an archive. Needs root.\n\n"
		"Options:\n");
	options_help(options_table, &text, HELP_WIDTH);
	fputs(buffer_text(&text), stdout);
}

static void show_result(const UnpackResult *result)
{
	printf("%s\n", result->diff_id.text);
	printf("entries %lld\nbytes %lld\n", (long long)result->entries, (long long)result->bytes);
	for (size_t i = 0; i < result->opaque.count; i++)
		printf("opaque %s\n", result->opaque.items[i]);
	for (size_t i = 0; i < result->digests.count; i++)
		printf("digest %s %s\n", result->digests.items[i].value, result->digests.items[i].key);
}

/* Given a buffer, stdio need not ask what kind of file it writes to, which the jail's filter does not know. */
static void prepare_output(void)
{
	static char buffer[BUFSIZ];

	setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
}

/* All that lies outside is opened before the jail is entered. */
static fallible unpack_by_hand(const Options *given, const char *path, const char *directory)
{
	PipelineOptions options = {
		.mode = given->archive ? UNPACK_ARCHIVE : UNPACK_LAYER,
		.limits = {given->max_bytes, given->max_entries, given->max_depth},
		.wake_fd = -1,
		.sync = given->sync,
	};
	autoptr(Pipeline) pipeline = NULL;
	autoclear(UnpackResult) result = {0};
	autofd input = -1, root = -1;
	struct stat status;
	int target;

	TRY(file_open(&input, AT_FDCWD, path, O_RDONLY, 0));
	TRY(dir_open(&target, AT_FDCWD, directory));
	if (fstat(input, &status) < 0) {
		close(target);
		return error_errno(errno, "could not read \"%s\"", path);
	}
	prepare_output();
	hash_prepare();
	TRY(jail_enter(&root, target, given->max_bytes ? given->max_bytes : UNPACK_MAX_BYTES));
	options.input_fd = input;
	options.root = root;
	TRY(pipeline_start(&pipeline, &options));
	pipeline_allow(pipeline, status.st_size, true);
	TRY(pipeline_finish(pipeline, &result));
	show_result(&result);
	return NULL;
}

/* Whatever else was inherited leads outside. */
static fallible serve(void)
{
	(void)close_range(
		UNPACK_CHANNEL_FD + 1, ~0U, 0); /* kernels before 5.9 have it not, and kedged leaves nothing open */
	return unpack_serve(UNPACK_CHANNEL_FD);
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
		printf("kedge-unpack %s\n", KEDGE_VERSION);
		return NULL;
	}
	if (options.serve)
		return serve();
	if (options.layer == options.archive || arguments.count != 2)
		return error_hint(error_new(ERROR_INVALID, "give --layer or --archive, a file and a directory"),
			"see kedge-unpack --help");
	return unpack_by_hand(&options, arguments.items[0], arguments.items[1]);
}

int main(int argc, char **argv)
{
	Error *error;

	log_set_name("kedge-unpack");
	error = run(argc, argv);
	if (!error)
		return EXIT_SUCCESS;
	fprintf(stderr, "kedge-unpack: %s\n", error_message(error));
	if (error_hint_text(error))
		fprintf(stderr, "hint: %s\n", error_hint_text(error));
	return error_exit_code(error_kind(error));
}
