// SPDX-License-Identifier: Apache-2.0
/* Somebody else in the same volume, while an image's files are copied into it. */
#include "volume/prepare.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/strings.h"
#include "check.h"

#define DATA "_data"
#define COPY ".kedge-copy"
#define COPIED ".kedge-copied"

enum { ROUNDS = 300 };

typedef struct Fixture {
	char root[64];
	int dir;
	char *upper, *volume, *shared;
} Fixture;

static int setup(void **state)
{
	static const char *const directories[] = {
		"upper", "upper/files", "volume", "volume/" DATA, "shared", "outside"};
	Fixture *fixture = calloc(1, sizeof(*fixture));

	*state = fixture;
	strcpy(fixture->root, "/tmp/kedge-unit-XXXXXX");
	assert_non_null(mkdtemp(fixture->root));
	check_ok(dir_open(&fixture->dir, AT_FDCWD, fixture->root));
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		check_ok(dir_make(fixture->dir, directories[i], 0755));
	check_ok(file_replace(fixture->dir, "upper/files/file", "x", 1, 0644));
	fixture->upper = string_printf("%s/upper", fixture->root);
	fixture->volume = string_printf("%s/volume", fixture->root);
	fixture->shared = string_printf("%s/shared", fixture->root);
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	check_ok(tree_remove(AT_FDCWD, fixture->root));
	close_fd(&fixture->dir);
	free(fixture->upper);
	free(fixture->volume);
	free(fixture->shared);
	free(fixture);
	return 0;
}

/* As for a container that is made: nobody else sees what is mounted. Gives whether it went well. */
static bool prepare(const Fixture *fixture)
{
	VolumeWork work = {.directory = fixture->volume,
		.target = "/files",
		.type = "none",
		.device = fixture->shared,
		.o = "bind"};
	const VolumeWorks works = {.items = &work,
		.count = 1,
		.data = DATA,
		.copy = COPY,
		.copied = COPIED,
		.upper = fixture->upper,
		.layers = fixture->root,
		.lower = ""};
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(volumes_prepare(&works) ? EXIT_FAILURE : EXIT_SUCCESS);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static pid_t start_linking(const Fixture *fixture)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!pid)
		if (symlinkat("../../outside", fixture->dir, "shared/" COPY) < 0)
			continue; /* it is there */
	return pid;
}

static void test_a_copy_is_not_led_out(void **state)
{
	const Fixture *fixture = *state;
	pid_t linking = start_linking(fixture);
	bool has_escaped = false;

	for (int i = 0; i < ROUNDS && !has_escaped; i++) {
		prepare(fixture); /* may be disturbed */
		unlinkat(fixture->dir, "shared/file", 0);
		has_escaped = file_exists(fixture->dir, "outside/file");
	}
	kill(linking, SIGKILL);
	waitpid(linking, NULL, 0);
	assert_false(has_escaped);
}

static void test_a_link_in_the_place_of_what_was_copied(void **state)
{
	const Fixture *fixture = *state;

	check_ok(file_replace(fixture->dir, "outside/file", "y", 1, 0644));
	assert_int_equal(symlinkat("../../outside", fixture->dir, "shared/" COPIED), 0);
	assert_true(prepare(fixture));
	assert_true(file_exists(fixture->dir, "outside/file"));
}

static void test_a_copy_without_others(void **state)
{
	const Fixture *fixture = *state;

	assert_true(prepare(fixture));
	assert_true(file_exists(fixture->dir, "shared/file"));
	assert_false(file_exists(fixture->dir, "shared/" COPY));
}

/* "user::rwx,group::r-x,other::---", as the kernel has it: linux/posix_acl_xattr.h, little-endian. */
static const uint8_t narrow[] = {
	2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};

static void add_default_acl(const Fixture *fixture, const char *path)
{
	autofd fd = openat(fixture->dir, path, O_RDONLY | O_DIRECTORY);

	assert_int_equal(fsetxattr(fd, "system.posix_acl_default", narrow, sizeof(narrow), 0), 0);
}

static bool has_default_acl(const Fixture *fixture, const char *path)
{
	autofd fd = openat(fixture->dir, path, O_RDONLY | O_DIRECTORY);

	return fgetxattr(fd, "system.posix_acl_default", NULL, 0) == sizeof(narrow);
}

static unsigned mode_of(const Fixture *fixture, const char *path)
{
	struct stat status;

	assert_int_equal(fstatat(fixture->dir, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status.st_mode & 07777;
}

/* A copy has the modes and the lists of what it is copied from, and inherits nothing where it is made. */
static void test_default_access_lists(void **state)
{
	const Fixture *fixture = *state;
	mode_t before = umask(0);

	check_ok(dir_make(fixture->dir, "upper/files/below", 0777));
	assert_int_equal(mkfifoat(fixture->dir, "upper/files/pipe", 0666), 0);
	assert_int_equal(mkfifoat(fixture->dir, "upper/files/below/pipe", 0666), 0);
	umask(before);
	add_default_acl(fixture, "upper/files");
	add_default_acl(fixture, "upper/files/below");
	add_default_acl(fixture, "shared");
	assert_true(prepare(fixture));
	assert_int_equal(mode_of(fixture, "shared/file"), 0644);
	assert_int_equal(mode_of(fixture, "shared/pipe"), 0666);
	assert_int_equal(mode_of(fixture, "shared/below"), 0777);
	assert_int_equal(mode_of(fixture, "shared/below/pipe"), 0666);
	assert_true(has_default_acl(fixture, "shared") && has_default_acl(fixture, "shared/below"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_copy_without_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_access_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_copy_is_not_led_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_in_the_place_of_what_was_copied, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
