// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack/lists.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/table.h"
#include "fetch/unpack/branch.h"
#include "fetch/unpack/names.h"

#define ACCESS_LIST "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"

enum { LISTS_MAX = 65536, LIST_BYTES_MAX = 4096 };

typedef struct AccessList {
	size_t length;
	char *value;
} AccessList;

struct AccessLists {
	Table *kept; /* "A" (access) or "D" (default) and the directory's path -> AccessList, owned */
};

AccessLists *lists_new(void)
{
	AccessLists *lists = mem_new(AccessLists);

	lists->kept = table_new();
	return lists;
}

static void list_free(AccessList *list)
{
	if (list)
		free(list->value);
	free(list);
}

AccessLists *lists_free(AccessLists *lists)
{
	size_t cursor = 0;
	void *list;

	while (table_next(lists->kept, &cursor, NULL, &list))
		list_free(list);
	table_free(lists->kept);
	free(lists);
	return NULL;
}

static fallible keep(AccessLists *lists, char kind, const char *path, const TarXattr *xattr)
{
	autofree char *key = string_printf("%c%s", kind, path);

	if (table_count(lists->kept) == LISTS_MAX || xattr->length > LIST_BYTES_MAX)
		return error_new(ERROR_TOO_LARGE, "there are more, or longer, access lists than can be kept");
	AccessList *list = mem_new(AccessList);
	*list = (AccessList){xattr->length, mem_dup(xattr->value, xattr->length)};
	list_free(table_set(lists->kept, key, list));
	return NULL;
}

static fallible set_list(int fd, const char *name, const char *value, size_t length)
{
	if (fsetxattr(fd, name, value, length, 0) == 0 || errno == ENOTSUP)
		return NULL;
	return error_errno(errno, "could not set extended attribute \"%s\"", name);
}

static fallible set_access(int parent, const char *path, const TarXattr *xattr)
{
	autofd fd = openat(parent, name_base(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not open it");
	return set_list(fd, xattr->name, xattr->value, xattr->length);
}

static fallible take_directory(AccessLists *lists, const char *path, const TarXattr *xattr)
{
	if (string_equal(xattr->name, ACCESS_LIST))
		return keep(lists, 'A', path, xattr);
	return string_equal(xattr->name, DEFAULT_LIST) ? keep(lists, 'D', path, xattr) : NULL;
}

Error *lists_take(AccessLists *lists, int parent, const char *path, const TarEntry *entry)
{
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const TarXattr *xattr = &entry->xattrs[i];
		if (entry->type == TAR_DIRECTORY)
			TRY(take_directory(lists, path, xattr));
		else if (entry->type == TAR_FILE && string_equal(xattr->name, ACCESS_LIST))
			TRY(set_access(parent, path, xattr));
	}
	return NULL;
}

/* What is no directory any more has no use for one. */
Error *lists_finish(AccessLists *lists, int root)
{
	size_t cursor = 0;
	const char *key;
	void *value;

	while (table_next(lists->kept, &cursor, &key, &value)) {
		const AccessList *list = value;
		autofd fd = open_beneath(root, key + 1, OPEN_DIRECTORY_NO_LINKS);
		if (fd >= 0)
			TRY(set_list(fd, *key == 'A' ? ACCESS_LIST : DEFAULT_LIST, list->value, list->length));
	}
	return NULL;
}
