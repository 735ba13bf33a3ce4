// SPDX-License-Identifier: Apache-2.0
#include "pack/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "base/table.h"
#include "base/tree.h"
#include "pack/content.h"
#include "pack/layer.h"
#include "pack/sparse.h"

enum { LINKED_MAX = 4 << 20 };

#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c; not among the kernel's public ones */

typedef struct Packing {
	TarOut *out;
	const Table *opaque;   /* not NULL: the tree is an image's layer */
	const Table *unpacked; /* paths that are left out; NULL: none */
	const char *prefix;    /* of the paths of a branch */
	dev_t left_out;        /* a mount that is not entered; 0: none */
	bool has_lists;        /* access lists go along: those of a volume, not of images */
	Table *linked;         /* "device:inode" -> path of the first name, for files with several */
} Packing;

static fallible failed(const char *path, const char *what)
{
	return error_errno(errno, "could not %s \"%.300s\"", what, path);
}

/* ---- heads ---- */

static TarHead head_of(TarType type, const char *path, const struct stat *status)
{
	return (TarHead){
		.type = type,
		.path = path,
		.mode = status->st_mode & 07777,
		.uid = status->st_uid,
		.gid = status->st_gid,
		.mtime = status->st_mtim,
	};
}

static bool is_wanted(const Packing *packing, const char *name)
{
	if (string_starts(name, "system.posix_acl_"))
		return packing->has_lists;
	if (strcmp(name, "security.capability") == 0)
		return true;
	return string_starts(name, "user.") && !string_starts(name, "user.overlay.");
}

static void add_xattr(Buffer *records, int fd, const char *name)
{
	autofree char *key = NULL;
	autofree char *value = NULL;
	ssize_t length;

	value = mem_alloc(XATTR_SIZE_MAX);
	length = fgetxattr(fd, name, value, XATTR_SIZE_MAX);
	if (length < 0)
		return; /* gone meanwhile */
	key = string_printf("SCHILY.xattr.%s", name);
	pax_add(records, key, value, (size_t)length);
}

static void add_xattrs(const Packing *packing, Buffer *records, int fd)
{
	autofree char *names = NULL;
	ssize_t length = flistxattr(fd, NULL, 0);

	if (length <= 0)
		return; /* none, or a file system without */
	names = mem_alloc(XATTR_LIST_MAX);
	length = flistxattr(fd, names, XATTR_LIST_MAX);
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		if (is_wanted(packing, names + at))
			add_xattr(records, fd, names + at);
	}
}

/* ---- marks of layers: empty files ---- */

static fallible pack_mark(Packing *packing, const char *directory, const char *name, const struct stat *status)
{
	autofree char *path = string_printf("%s%s.wh.%s", directory, *directory ? "/" : "", name);
	TarHead head = head_of(TAR_TYPE_FILE, path, status);

	head.mode = 0;
	return tar_out_head(packing->out, &head, NULL);
}

static fallible pack_whiteout(Packing *packing, const char *name, const char *path, const struct stat *status)
{
	size_t length = strlen(path) - strlen(name);
	autofree char *directory = mem_strndup(path, length ? length - 1 : 0);

	return pack_mark(packing, directory, name, status);
}

/* ---- directories ---- */

static Error *pack_directory(void *arg, int fd, const char *path, const struct stat *status)
{
	Packing *packing = arg;
	autofree char *name = string_printf("%s/", path);
	autoclear(Buffer) records = {0};
	TarHead head = head_of(TAR_TYPE_DIRECTORY, name, status);

	if (packing->unpacked && table_get(packing->unpacked, path))
		return NULL;
	add_xattrs(packing, &records, fd);
	TRY(tar_out_head(packing->out, &head, &records));
	if (!packing->opaque || !table_get(packing->opaque, path))
		return NULL;
	return pack_mark(packing, path, ".wh..opq", status);
}

/* ---- regular files ---- */

/* True when an earlier name of the same file was packed: *ret is that name. */
static bool is_linked_already(Packing *packing, const char **ret, const char *path, const struct stat *status)
{
	char key[64];

	if (status->st_nlink < 2)
		return false;
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)status->st_dev, (unsigned long long)status->st_ino);
	*ret = table_get(packing->linked, key);
	if (!*ret && table_count(packing->linked) < LINKED_MAX)
		table_set(packing->linked, key, mem_strdup(path));
	return *ret != NULL;
}

static fallible pack_link(Packing *packing, const char *path, const char *target, const struct stat *status)
{
	TarHead head = head_of(TAR_TYPE_HARD_LINK, path, status);

	head.link = target;
	return tar_out_head(packing->out, &head, NULL);
}

static fallible pack_plain(Packing *packing, int fd, const char *path, const struct stat *status, Buffer *records)
{
	TarHead head = head_of(TAR_TYPE_FILE, path, status);

	head.size = status->st_size;
	TRY(tar_out_head(packing->out, &head, records));
	TRY(content_copy(packing->out, fd, 0, status->st_size, path));
	return tar_out_entry_end(packing->out);
}

static fallible pack_sparse(Packing *packing, int fd, const char *path, const struct stat *status, Buffer *records,
	const SparseFile *sparse)
{
	autofree char *name = string_printf("GNUSparseFile.0/%s", path);
	TarHead head = head_of(TAR_TYPE_FILE, name, status);

	sparse_records(records, path, status->st_size);
	head.size = sparse_size(sparse);
	TRY(tar_out_head(packing->out, &head, records));
	TRY(sparse_write(sparse, packing->out, fd, path));
	return tar_out_entry_end(packing->out);
}

/* Between looking and opening, another file may have come to the name. */
static fallible pack_file(Packing *packing, int dir, const char *name, const char *path)
{
	autofd fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autoclear(SparseFile) sparse = {0};
	autoclear(Buffer) records = {0};
	struct stat status;
	const char *first = NULL;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? NULL : failed(path, "open");
	if (fstat(fd, &status) < 0)
		return failed(path, "look at");
	if (!S_ISREG(status.st_mode))
		return NULL;
	if (is_linked_already(packing, &first, path, &status))
		return pack_link(packing, path, first, &status);
	add_xattrs(packing, &records, fd);
	if (sparse_find(&sparse, fd, &status))
		return pack_sparse(packing, fd, path, &status, &records, &sparse);
	return pack_plain(packing, fd, path, &status, &records);
}

/* ---- everything else ---- */

static fallible pack_symlink(Packing *packing, int dir, const char *name, const char *path, const struct stat *status)
{
	TarHead head = head_of(TAR_TYPE_SYMLINK, path, status);
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir, name, target, sizeof(target) - 1);

	if (length < 0)
		return errno == ENOENT || errno == EINVAL ? NULL : failed(path, "read the link");
	target[length] = '\0';
	head.link = target;
	return tar_out_head(packing->out, &head, NULL);
}

static fallible pack_node(Packing *packing, TarType type, const char *path, const struct stat *status)
{
	TarHead head = head_of(type, path, status);

	head.major = type == TAR_TYPE_FIFO ? 0 : major(status->st_rdev);
	head.minor = type == TAR_TYPE_FIFO ? 0 : minor(status->st_rdev);
	return tar_out_head(packing->out, &head, NULL);
}

static Error *pack_entry(void *arg, int dir, const char *name, const char *path)
{
	Packing *packing = arg;
	struct stat status;
	const char *first = NULL;

	if (packing->unpacked && table_get(packing->unpacked, path))
		return NULL;
	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : failed(path, "look at");
	if (packing->opaque && S_ISCHR(status.st_mode) && status.st_rdev == 0)
		return pack_whiteout(packing, name, path, &status);
	if (S_ISREG(status.st_mode))
		return pack_file(packing, dir, name, path);
	if (!S_ISSOCK(status.st_mode) && is_linked_already(packing, &first, path, &status))
		return pack_link(packing, path, first, &status);
	switch (status.st_mode & S_IFMT) {
	case S_IFLNK:
		return pack_symlink(packing, dir, name, path, &status);
	case S_IFCHR:
		return pack_node(packing, TAR_TYPE_CHARACTER, path, &status);
	case S_IFBLK:
		return pack_node(packing, TAR_TYPE_BLOCK, path, &status);
	case S_IFIFO:
		return pack_node(packing, TAR_TYPE_FIFO, path, &status);
	default:
		return NULL;
	}
}

static void linked_free(Table *linked)
{
	size_t cursor = 0;
	void *path;

	while (table_next(linked, &cursor, NULL, &path))
		free(path);
	table_free(linked);
}

static fallible pack_visited(Packing *packing, int root, const TreeVisitor *visitor)
{
	packing->linked = table_new();
	Error *error = tree_each(root, visitor);
	linked_free(packing->linked);
	return error;
}

static fallible pack_all(Packing *packing, int root)
{
	const TreeVisitor visitor = {.directory = pack_directory, .file = pack_entry, .arg = packing};

	return pack_visited(packing, root, &visitor);
}

Error *pack_tree(TarOut *out, int root)
{
	Packing packing = {.out = out};

	return pack_all(&packing, root);
}

/* ---- branches ---- */

static Error *pack_branch_directory(void *arg, int fd, const char *path, const struct stat *status)
{
	Packing *packing = arg;
	autofree char *full = string_printf("%s/%s", packing->prefix, path);

	return pack_directory(packing, fd, full, status);
}

static Error *pack_branch_entry(void *arg, int dir, const char *name, const char *path)
{
	Packing *packing = arg;
	autofree char *full = string_printf("%s/%s", packing->prefix, path);

	return pack_entry(packing, dir, name, full);
}

/* What the kernel shows of itself is no file of the container, and some of it has no end. */
static bool is_kernels_own(int fd)
{
	static const long types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC, SECURITYFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, BPF_FS_MAGIC,
		PSTOREFS_MAGIC, EFIVARFS_MAGIC, BINFMTFS_MAGIC, NSFS_MAGIC};
	struct statfs status;

	if (fstatfs(fd, &status) < 0)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((long)status.f_type == types[i])
			return true;
	return false;
}

static bool enters_mount(void *arg, int fd)
{
	const Packing *packing = arg;
	struct stat status;

	return !is_kernels_own(fd) && fstat(fd, &status) == 0 &&
	       !(packing->left_out && status.st_dev == packing->left_out);
}

Error *pack_branch(TarOut *out, int directory, const char *path, dev_t device)
{
	Packing packing = {.out = out, .prefix = path, .left_out = device};
	const TreeVisitor visitor = {
		.directory = pack_branch_directory, .file = pack_branch_entry, .enters = enters_mount, .arg = &packing};
	struct stat status;

	if (fstat(directory, &status) < 0)
		return failed(path, "look at");
	TRY(pack_directory(&packing, directory, path, &status));
	if (is_kernels_own(directory))
		return NULL;
	return pack_visited(&packing, directory, &visitor);
}

Error *pack_leaf(TarOut *out, int dir, const char *name, const char *path)
{
	Packing packing = {.out = out, .linked = table_new()};
	Error *error = pack_entry(&packing, dir, name, path);

	linked_free(packing.linked);
	return error;
}

/* ---- layers ---- */

static bool is_opaque(int fd)
{
	char value;

	return fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static Error *note_opaque(void *arg, int fd, const char *path, const struct stat *status)
{
	(void)status;
	if (is_opaque(fd))
		table_set(arg, path, arg);
	return NULL;
}

static Error *pass_over(void *arg, int dir, const char *name, const char *path)
{
	(void)arg;
	(void)dir;
	(void)name;
	(void)path;
	return NULL;
}

Error *layer_opaque(Table *ret, int root)
{
	const TreeVisitor visitor = {.directory = note_opaque, .file = pass_over, .arg = ret};

	TRY(note_opaque(ret, root, "", NULL));
	return tree_each(root, &visitor);
}

/* The root's own entry carries its permissions and owner. */
static fallible pack_root(Packing *packing, int root)
{
	autoclear(Buffer) records = {0};
	struct stat status;

	if (fstat(root, &status) < 0)
		return failed("/", "look at");
	TarHead head = head_of(TAR_TYPE_DIRECTORY, "./", &status);
	add_xattrs(packing, &records, root);
	TRY(tar_out_head(packing->out, &head, &records));
	if (!packing->opaque || !table_get(packing->opaque, ""))
		return NULL;
	return pack_mark(packing, "", ".wh..opq", &status);
}

Error *pack_whole_tree(TarOut *out, int root)
{
	Packing packing = {.out = out, .has_lists = true};

	TRY(pack_root(&packing, root));
	return pack_all(&packing, root);
}

Error *pack_layer(TarOut *out, int root, const Table *opaque, const Table *left_out)
{
	Packing packing = {.out = out, .opaque = opaque, .unpacked = left_out};

	TRY(pack_root(&packing, root));
	return pack_all(&packing, root);
}
