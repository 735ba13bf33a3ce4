// SPDX-License-Identifier: Apache-2.0
/*
 * The power is cut at the k-th fault point of a store's life, for every k: the store lies on a file system of its own
 * on a loop device, the process is killed, and what the device holds at that moment, without all that the kernel had
 * not yet written, is copied and mounted elsewhere. The file system is asked to promise as little as it can: nothing is
 * written by itself for minutes, and no rename flushes data.
 */
#include "scenario.h"

#define WEAK_OPTIONS "loop,commit=300,data=writeback,noauto_da_alloc"

typedef struct Disk {
	char *template, *image, *copy, *mount_point, *root;
} Disk;

static void disk_init(Disk *disk, const char *directory)
{
	disk->template = path_join(directory, "template.img");
	disk->image = path_join(directory, "disk.img");
	disk->copy = path_join(directory, "copy.img");
	disk->mount_point = path_join(directory, "disk");
	disk->root = path_join(disk->mount_point, "root");
}

static void disk_clear(Disk *disk)
{
	free(disk->template);
	free(disk->image);
	free(disk->copy);
	free(disk->mount_point);
	free(disk->root);
}
DEFINE_AUTOCLEAR(Disk, disk_clear)

static bool shell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	autofree char *command = string_vprintf(format, args);
	va_end(args);
	return system(command) == 0;
}

static bool disk_make(const Disk *disk)
{
	check_ok(dir_make(AT_FDCWD, disk->mount_point, 0755));
	return shell("truncate -s 24M '%s' && mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 -J size=4 '%s' "
		     "2>/dev/null"
		     " && mount -o " WEAK_OPTIONS " '%s' '%s' 2>/dev/null && umount '%s'",
		disk->template, disk->template, disk->template, disk->mount_point, disk->mount_point);
}

static void disk_mount(const Disk *disk, const char *image)
{
	if (!shell("mount -o " WEAK_OPTIONS " '%s' '%s'", image, disk->mount_point))
		fail_msg("could not mount \"%s\"", image);
}

static void disk_unmount(const Disk *disk)
{
	assert_true(shell("umount '%s'", disk->mount_point));
}

/* A file of its own each time: a loop device that is not yet let go would still remember the last one's blocks. */
static void copy_image(const char *from, const char *to)
{
	if (!shell("rm -f '%s' && cp --sparse=always '%s' '%s'", to, from, to))
		fail_msg("could not copy \"%s\" to \"%s\"", from, to);
}

/* One moment of the device, also when somebody else on this machine syncs just then. */
static void copy_moment(const Disk *disk)
{
	do
		copy_image(disk->image, disk->copy);
	while (!shell("cmp -s '%s' '%s'", disk->image, disk->copy));
}

/* Gives what was acknowledged before the cut. */
static int live_and_cut(const Disk *disk, const char *done, int point)
{
	autofree char *setting = string_printf("*:%d:kill", point);

	copy_image(disk->template, disk->image);
	disk_mount(disk, disk->image);
	int status = run_scenario(disk->root, done, setting, NULL);
	copy_moment(disk);
	disk_unmount(disk);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("point %d: status %#x", point, (unsigned)status);
	return count_acknowledged(done);
}

static void lose_nothing_that_was_acknowledged(void **state)
{
	autoclear(Disk) disk = {0};
	const char *only = getenv("KEDGE_CUT");

	disk_init(&disk, *state);
	if (!disk_make(&disk))
		skip();
	int points = count_points(*state);
	for (int k = only ? atoi(only) : 1; k <= (only ? atoi(only) : points); k++) {
		autofree char *done = string_printf("%s/%d.done", (char *)*state, k);
		int acknowledged = live_and_cut(&disk, done, k);
		print_message("cut at point %d, after step %d\n", k, acknowledged);
		disk_mount(&disk, disk.copy);
		check_after(disk.root, acknowledged);
		disk_unmount(&disk);
	}
}

static int teardown_disk(void **state)
{
	/* Still mounted only where a check has failed. */
	if (shell("mountpoint -q '%s/disk'", (char *)*state))
		shell("umount -l '%s/disk'", (char *)*state);
	return teardown_directory(state);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lose_nothing_that_was_acknowledged, setup_directory, teardown_disk),
	};

	if (argc == 4)
		return scenario_main(argv[2], argv[3]);
	return cmocka_run_group_tests_name("store power cuts", tests, NULL, NULL);
}
