// SPDX-License-Identifier: Apache-2.0
/* Stands in for libFuzzer: runs a target once for every file that is named, or is in a directory that is named. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum { INPUT_MAX = 16 << 20 };

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "could not %s \"%s\"\n", what, path);
	exit(1);
}

/* The input gets memory of exactly its size, so that a sanitizer sees the first byte read beyond it. */
static void run_file(int dir, const char *path)
{
	struct stat status;
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0 || status.st_size > INPUT_MAX)
		fail("open", path);
	size_t size = (size_t)status.st_size;
	uint8_t *data = malloc(size ? size : 1);
	if (!data || read(fd, data, size) != status.st_size)
		fail("read", path);
	close(fd);
	fprintf(stderr, "%s: %zu bytes\n", path, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int run_directory(DIR *stream)
{
	int count = 0;

	for (struct dirent *entry; (entry = readdir(stream));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		run_file(dirfd(stream), entry->d_name);
		count++;
	}
	return count;
}

static int run_path(const char *path)
{
	DIR *stream = opendir(path);

	if (!stream) {
		run_file(AT_FDCWD, path);
		return 1;
	}
	int count = run_directory(stream);
	closedir(stream);
	return count;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!run_path(argv[i]))
			fail("find any input in", argv[i]);
	return argc > 1 ? 0 : 1;
}
