// SPDX-License-Identifier: Apache-2.0
/* An image's accounts: passwd, a 0 byte, group. The first line is the user that is looked up. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "runtime/user.h"

#include "fuzz.h"

static const char *layer_of_this_run(void)
{
	static char path[] = "/tmp/kedge-fuzz-XXXXXX";
	static bool made;

	if (!made) {
		must_hold(mkdtemp(path) != NULL);
		autofree char *etc = path_join(path, "etc");
		must_hold(mkdir(etc, 0700) == 0);
		made = true;
	}
	return path;
}

static void put(const char *name, const void *data, size_t size)
{
	autofree char *path = path_join(layer_of_this_run(), name);
	autofd fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must_hold(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

__attribute__((destructor)) static void remove_layer(void)
{
	error_free(tree_remove(AT_FDCWD, layer_of_this_run())); /* what could stay of it is a directory in /tmp */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t passwd = size ? strnlen(text, size) : 0;
	autoclear(StringList) layers = {0}, extra = {0};
	autofree char *user = strndup(text ? text : "", passwd < 64 ? passwd : 64);
	UserIds ids;

	user[strcspn(user, "\n")] = '\0';
	put("etc/passwd", data, passwd);
	put("etc/group", data + passwd, size - passwd);
	strings_add(&layers, layer_of_this_run());
	Error *error = user_resolve(&ids, user, &extra, &layers);
	if (!error)
		must_hold(ids.home[0] == '/' && strlen(ids.home) < sizeof(ids.home) && ids.group_count <= 64);
	error_free(error);
	return 0;
}
