// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <nss.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "fetch/registry/jail_filter.h"

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

/* A file system that has no place yet, so that it is filled before anything else changes. */
static fallible make_root(int *ret)
{
	autofd context = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "4m", 0) < 0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(errno, "could not make a root file system");
	autofd root = syscall(
		SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (root < 0)
		return error_errno(errno, "could not make a root mount");
	TRY(fill_root(root));
	*ret = take_fd(&root);
	return NULL;
}

static fallible leave_namespaces(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_errno(errno, "could not make new namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(errno, "could not make mounts private");
	return NULL;
}

/* pivot_root(2) where it can: an initramfs, being the root of all mounts, cannot be pivoted away from. */
static fallible change_root(int root)
{
	if (syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(errno, "could not mount the root");
	if (fchdir(root) < 0)
		return error_errno(errno, "could not enter the root");
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 ? error_errno(errno, "could not detach the old root") : NULL;
	if (errno != EINVAL || chroot(".") < 0)
		return error_errno(errno, "could not change the root");
	return NULL;
}

static fallible seal_root(void)
{
	if (chdir("/") < 0)
		return error_errno(errno, "could not enter the new root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_errno(errno, "could not make the new root read-only");
	return NULL;
}

static fallible enter_root(void)
{
	autofd root = -1;

	TRY(leave_namespaces());
	TRY(make_root(&root));
	TRY(change_root(root));
	return seal_root();
}

/* ---- rights ---- */

static fallible find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *entry = getpwnam(user);

	if (!entry)
		return error_new(ERROR_NOT_FOUND, "there is no user \"%s\"", user);
	if (entry->pw_uid == 0)
		return error_new(ERROR_INVALID, "user \"%s\" is root", user);
	*ret_uid = entry->pw_uid;
	*ret_gid = entry->pw_gid;
	return NULL;
}

static fallible become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_errno(errno, "could not become user %u", (unsigned)uid);
	return NULL;
}

static fallible drop_bounding(void)
{
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return error_errno(errno, "could not drop capability %d", i);
	return NULL;
}

static fallible drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* empty anyway once inheritable is */
	if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(errno, "could not drop capabilities");
	return NULL;
}

static fallible set_limits(void)
{
	const struct {
		int resource;
		rlim_t value;
	} limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, OPEN_FILES_MAX}};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit both = {limits[i].value, limits[i].value};
		if (setrlimit(limits[i].resource, &both) < 0)
			return error_errno(errno, "could not set a resource limit");
	}
	return NULL;
}

Error *fetch_jail_enter(const char *user)
{
	uid_t uid = 0;
	gid_t gid = 0;

	umask(022);
	if (geteuid() != 0)
		return error_new(ERROR_FORBIDDEN, "only root can enter the jail");
	TRY(find_user(user, &uid, &gid));
	__nss_configure_lookup("hosts", "files dns");
	TRY(enter_root());
	TRY(set_limits());
	TRY(drop_bounding());
	TRY(become(uid, gid));
	TRY(drop_capabilities());
	return fetch_jail_filter_load();
}
