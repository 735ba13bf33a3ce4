// SPDX-License-Identifier: Apache-2.0
/* kedged's side: against the real program, and against programs that lie. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/memory.h"
#include "check.h"
#include "fetch/unpack/tar_header.h"
#include "fetch/unpack_client.h"

typedef struct Watch {
	Loop *loop;
	Unpacker *unpacker;
	bool frees;
	int done;
	int64_t progress;
	char *error; /* "" on success */
	ErrorKind kind;
	UnpackResult result;
} Watch;

static void on_progress(void *arg, int64_t bytes)
{
	Watch *watch = arg;

	assert_true(bytes >= watch->progress);
	watch->progress = bytes;
}

static void on_done(void *arg, Error *take_error, const UnpackResult *result)
{
	Watch *watch = arg;

	watch->done++;
	assert_true(!take_error == !!result);
	watch->error = mem_strdup(take_error ? error_message(take_error) : "");
	watch->kind = take_error ? error_kind(take_error) : ERROR_KINDS;
	if (result) {
		watch->result = *result;
		watch->result.opaque = (StringList){0};
		watch->result.digests = (StringMap){0};
		strings_copy(&watch->result.opaque, &result->opaque);
		map_copy(&watch->result.digests, &result->digests);
	}
	error_free(take_error);
	if (watch->frees)
		watch->unpacker = unpacker_free(watch->unpacker);
}

static void watch_clear(Watch *watch)
{
	unpacker_free(watch->unpacker);
	unpack_result_clear(&watch->result);
	free(watch->error);
	loop_free(watch->loop);
}
DEFINE_AUTOCLEAR(Watch, watch_clear)

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void add_header(int file, const char *name, char type, int size)
{
	TarHeader header = {.type = type};
	unsigned sum = 0;

	snprintf(header.name, sizeof header.name, "%s", name);
	memcpy(header.mode, "0000644", 8);
	snprintf(header.size, sizeof header.size, "%011o", (unsigned)size);
	memcpy(header.magic,
		"ustar\0"
		"00",
		8);
	memset(header.checksum, ' ', sizeof header.checksum);
	for (size_t i = 0; i < sizeof header; i++)
		sum += ((unsigned char *)&header)[i];
	snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
	assert_int_equal(write(file, &header, sizeof header), sizeof header);
}

/* d/, d/f of 1000 bytes, d/.wh..wh..opq */
static int make_archive(void)
{
	int file = memfd_create("archive", MFD_CLOEXEC);
	char zeros[1024] = {0};

	add_header(file, "d/", '5', 0);
	add_header(file, "d/f", '0', 1000);
	assert_int_equal(write(file, zeros, 1024), 1024);
	add_header(file, "d/.wh..wh..opq", '0', 0);
	assert_int_equal(write(file, zeros, 1024), 1024);
	return file;
}

enum { ARCHIVE_SIZE = 512 * 7 };

static void start(Watch *watch, const char *program, int input, int64_t available, const char *directory)
{
	static const UnpackerHandlers handlers = {.progress = on_progress, .done = on_done};
	autofd target = open_directory(directory);
	UnpackerOptions options = {
		.program = program,
		.mode = UNPACK_LAYER,
		.input_fd = input,
		.input_available = available,
		.input_complete = available == ARCHIVE_SIZE,
		.directory_fd = target,
		.sync = true,
	};

	check_ok(loop_new(&watch->loop));
	check_ok(unpacker_start(&watch->unpacker, watch->loop, &options, &handlers, watch));
}

static void wait_done(Watch *watch)
{
	while (!watch->done)
		check_ok(loop_run_once(watch->loop));
}

static void on_moment(void *arg)
{
	loop_stop(arg);
}

static void run_a_moment(Loop *loop)
{
	autoptr(Source) timer = NULL;

	check_ok(loop_timer(&timer, loop, 100 * NANOS_PER_MILLI, on_moment, loop));
	check_ok(loop_run(loop));
}

static void test_layer(void **state)
{
	autoclear(Watch) watch = {.frees = true};
	autofd input = make_archive();
	autofree char *path = path_join(*state, "d/f");
	struct stat status;

	start(&watch, KEDGE_UNPACK, input, ARCHIVE_SIZE, *state);
	wait_done(&watch);
	assert_string_equal(watch.error, "");
	assert_int_equal(watch.result.entries, 3);
	assert_int_equal(watch.result.bytes, 1000);
	assert_true(digest_is_set(&watch.result.diff_id));
	assert_int_equal(watch.result.opaque.count, 1);
	assert_string_equal(watch.result.opaque.items[0], "d");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(watch.progress, ARCHIVE_SIZE);
}

static void test_growing_and_kept_after_done(void **state)
{
	autoclear(Watch) watch = {0};
	autofd input = make_archive();

	start(&watch, KEDGE_UNPACK, input, 0, *state);
	for (int64_t i = 500; i < ARCHIVE_SIZE; i += 500)
		unpacker_input(watch.unpacker, i, false);
	unpacker_input(watch.unpacker, ARCHIVE_SIZE, true);
	wait_done(&watch);
	assert_string_equal(watch.error, "");
	run_a_moment(watch.loop); /* its end is no second answer */
	unpacker_input(watch.unpacker, ARCHIVE_SIZE, true);
	assert_int_equal(watch.done, 1);
}

static void test_failure(void **state)
{
	autoclear(Watch) watch = {0};
	autofd input = make_archive();

	add_header(input, "x", '0', 0); /* is behind the end, and not announced */
	assert_int_equal(pwrite(input, "bad", 3, 512), 3);
	start(&watch, KEDGE_UNPACK, input, ARCHIVE_SIZE, *state);
	wait_done(&watch);
	assert_string_equal(watch.error, "layer, before byte 1024: not a tar header: wrong checksum");
	assert_int_equal(watch.kind, ERROR_INVALID);
}

static void test_freed_while_it_waits(void **state)
{
	autoclear(Watch) watch = {0};
	autofd input = make_archive();

	start(&watch, KEDGE_UNPACK, input, 600, *state);
	watch.unpacker = unpacker_free(watch.unpacker);
	run_a_moment(watch.loop);
	assert_int_equal(watch.done, 0);
}

/* A stand-in program: a shell script that takes --serve. */
static char *make_script(const char *directory, const char *text)
{
	char *path = path_join(directory, "script");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "#!/bin/sh\n%s\n", text) > 0);
	close(fd);
	return path;
}

static void test_programs_that_fail(void **state)
{
	static const struct {
		const char *script, *says;
	} cases[] = {
		{"kill -SEGV $$", "killed by signal 11 (SEGV)"},
		{"exit 3", "exit status 3"},
		{"printf 'XXXXXXXXXXXX' >&3; exec sleep 60", "broke the protocol"},
		{"printf '\\150\\0\\0\\0\\2\\0\\0\\0' >&3; head -c 106 /dev/zero >&3; exec sleep 60",
			"broke the protocol"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		autoclear(Watch) watch = {0};
		autofd input = make_archive();
		autofree char *script = make_script(*state, cases[i].script);
		start(&watch, script, input, ARCHIVE_SIZE, *state);
		wait_done(&watch);
		if (!strstr(watch.error, cases[i].says))
			print_error("\"%s\" gives \"%s\"\n", cases[i].script, watch.error);
		assert_non_null(strstr(watch.error, cases[i].says));
		assert_int_equal(watch.done, 1);
		assert_int_equal(unlink(script), 0);
	}
}

static void test_program_that_is_not_there(void **state)
{
	static const UnpackerHandlers handlers = {.done = on_done};
	autoclear(Watch) watch = {0};
	autofd input = make_archive(), target = open_directory(*state);
	UnpackerOptions options = {.program = "/nothing/kedge-unpack", .input_fd = input, .directory_fd = target};

	check_ok(loop_new(&watch.loop));
	Error *error = unpacker_start(&watch.unpacker, watch.loop, &options, &handlers, &watch);
	assert_non_null(error);
	error_free(error);
	assert_null(watch.unpacker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_layer),
		directory_test(test_growing_and_kept_after_done),
		directory_test(test_failure),
		directory_test(test_freed_while_it_waits),
		directory_test(test_programs_that_fail),
		directory_test(test_program_that_is_not_there),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("unpack-client", tests, NULL, NULL);
}
