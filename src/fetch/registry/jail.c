// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/jail.h"

#include <fcntl.h>
#include <nss.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/files.h"
#include "base/memory.h"
#include "fetch/registry/jail_filter.h"
#include "jail/root.h"
#include "jail/user.h"

enum { FILE_MAX = 1 << 20, OPEN_FILES_MAX = 2048 };

static const char *const resolver_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/gai.conf", "/etc/host.conf", "/etc/services"};

/* ---- the root ---- */

static fallible copy_file(int root, const char *path)
{
	autofree char *text = NULL;
	autofd file = -1;
	size_t length;

	if (!file_exists(AT_FDCWD, path))
		return NULL;
	TRY(file_read(&text, &length, AT_FDCWD, path, FILE_MAX));
	TRY(file_open(&file, root, path + 1, O_WRONLY | O_CREAT | O_EXCL, 0444));
	return file_write_all(file, text, length, path);
}

static fallible fill_root(int root)
{
	TRY(dir_make(root, "etc", 0755));
	for (size_t i = 0; i < sizeof(resolver_files) / sizeof(resolver_files[0]); i++)
		TRY(copy_file(root, resolver_files[i]));
	return NULL;
}

static fallible enter_root(void)
{
	autofd root = -1;

	TRY(confine_namespaces(CLONE_NEWIPC | CLONE_NEWUTS));
	TRY(jail_root_make(&root));
	TRY(fill_root(root));
	return confine_root(root, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

/* ---- rights ---- */

static const ConfineLimit limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, OPEN_FILES_MAX}};

Error *fetch_jail_enter(const char *user)
{
	uid_t uid = 0;
	gid_t gid = 0;

	umask(022);
	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	TRY(jail_user_find(user, &uid, &gid));
	__nss_configure_lookup("hosts", "files dns");
	TRY(enter_root());
	TRY(jail_user_lower(uid, gid, limits, COUNT(limits)));
	return fetch_jail_filter_load();
}
