// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Layer directories made by hand for tests that look through them. Needs root for whiteouts and opaque marks. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/strings.h"
#include "check.h"

static inline char *layer_path(const char *top, const char *path)
{
	return string_printf("%s/%s", top, path);
}

/* The directories above path are made. */
static inline void make_parents(const char *top, const char *path)
{
	autofree char *full = layer_path(top, path);

	*strrchr(full, '/') = '\0';
	check_ok(dir_make_all(AT_FDCWD, full, 0755));
}

static inline void put_file(const char *top, const char *path, const char *text)
{
	autofree char *full = layer_path(top, path);

	make_parents(top, path);
	check_ok(file_replace(AT_FDCWD, full, text, strlen(text), 0644));
}

static inline void put_link(const char *top, const char *path, const char *target)
{
	autofree char *full = layer_path(top, path);

	make_parents(top, path);
	assert_int_equal(symlink(target, full), 0);
}

static inline void put_whiteout(const char *top, const char *path)
{
	autofree char *full = layer_path(top, path);

	make_parents(top, path);
	assert_int_equal(mknod(full, S_IFCHR, makedev(0, 0)), 0);
}

static inline void put_opaque(const char *top, const char *path)
{
	autofree char *full = layer_path(top, path);

	check_ok(dir_make_all(AT_FDCWD, full, 0755));
	assert_int_equal(setxattr(full, "trusted.overlay.opaque", "y", 1, 0), 0);
}

/* names below top, separated by spaces, topmost first */
static inline void list_layers(StringList *ret, const char *top, const char *names)
{
	autoclear(StringList) parts = {0};

	strings_split(&parts, names, ' ');
	for (size_t i = 0; i < parts.count; i++)
		strings_printf(ret, "%s/%s", top, parts.items[i]);
}

/* Whiteouts and trusted attributes are root's. */
#define layer_test(function) directory_test(function)
#define needs_root()                                                                                                   \
	do {                                                                                                           \
		if (geteuid() != 0)                                                                                    \
			skip();                                                                                        \
	} while (0)
