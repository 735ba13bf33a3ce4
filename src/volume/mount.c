// SPDX-License-Identifier: Apache-2.0
#include "volume/mount.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mntent.h>
#include <netdb.h>
#include <string.h>
#include <sys/mount.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/strings.h"

enum { MOUNT_LINE_MAX = 64 << 10 };

/* Source: moby mount/flags_linux.go. A word sets bits or takes them away. */
static const struct {
	const char *word;
	unsigned long set, clear;
} flag_words[] = {
	{"defaults", 0, 0},
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"nosuid", MS_NOSUID, 0},
	{"suid", 0, MS_NOSUID},
	{"nodev", MS_NODEV, 0},
	{"dev", 0, MS_NODEV},
	{"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC},
	{"sync", MS_SYNCHRONOUS, 0},
	{"async", 0, MS_SYNCHRONOUS},
	{"dirsync", MS_DIRSYNC, 0},
	{"mand", MS_MANDLOCK, 0},
	{"nomand", 0, MS_MANDLOCK},
	{"noatime", MS_NOATIME, 0},
	{"atime", 0, MS_NOATIME},
	{"nodiratime", MS_NODIRATIME, 0},
	{"diratime", 0, MS_NODIRATIME},
	{"bind", MS_BIND, 0},
	{"rbind", MS_BIND | MS_REC, 0},
	{"relatime", MS_RELATIME, 0},
	{"norelatime", 0, MS_RELATIME},
	{"strictatime", MS_STRICTATIME, 0},
	{"nostrictatime", 0, MS_STRICTATIME},
};

static const struct {
	const char *word;
	unsigned long flags;
} propagations[] = {
	{"private", MS_PRIVATE},
	{"rprivate", MS_PRIVATE | MS_REC},
	{"shared", MS_SHARED},
	{"rshared", MS_SHARED | MS_REC},
	{"slave", MS_SLAVE},
	{"rslave", MS_SLAVE | MS_REC},
	{"unbindable", MS_UNBINDABLE},
	{"runbindable", MS_UNBINDABLE | MS_REC},
};

typedef struct Options {
	unsigned long flags, propagation;
	Buffer data;
} Options;

static void options_clear(Options *options)
{
	buffer_clear(&options->data);
}
DEFINE_AUTOCLEAR(Options, options_clear)

static bool is_address(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static fallible look_up(Buffer *out, const char *name)
{
	char text[NI_MAXHOST];
	struct addrinfo *found = NULL;
	int problem = getaddrinfo(name, NULL, NULL, &found);

	if (!problem)
		problem = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	if (found)
		freeaddrinfo(found);
	if (problem)
		return error_new(ERROR_UNAVAILABLE, "error resolving passed in network volume address: %s: %s", name,
			gai_strerror(problem));
	buffer_add_text(out, text);
	return NULL;
}

static fallible add_data(Options *options, const char *type, const char *word)
{
	bool is_distant = string_equal(type, "nfs") || string_equal(type, "cifs");

	if (options->data.length)
		buffer_add_char(&options->data, ',');
	if (!is_distant || !string_starts(word, "addr=") || is_address(word + strlen("addr="))) {
		buffer_add_text(&options->data, word);
		return NULL;
	}
	buffer_add_text(&options->data, "addr=");
	return look_up(&options->data, word + strlen("addr="));
}

static bool add_flag(Options *options, const char *word)
{
	for (size_t i = 0; i < COUNT(flag_words); i++)
		if (string_equal(flag_words[i].word, word)) {
			options->flags = (options->flags & ~flag_words[i].clear) | flag_words[i].set;
			return true;
		}
	for (size_t i = 0; i < COUNT(propagations); i++)
		if (string_equal(propagations[i].word, word)) {
			options->propagation = propagations[i].flags;
			return true;
		}
	return false;
}

static fallible read_options(Options *ret, const char *type, const char *o)
{
	autoclear(StringList) words = {0};

	strings_split(&words, o ? o : "", ',');
	for (size_t i = 0; i < words.count; i++)
		if (words.items[i][0] && !add_flag(ret, words.items[i]))
			TRY(add_data(ret, type, words.items[i]));
	return NULL;
}

static fallible mount_by(const char *path, const char *type, const char *device, const Options *options)
{
	const unsigned long remounted = MS_BIND | MS_RDONLY;

	if (mount(device, path, type, options->flags, buffer_text(&options->data)) < 0)
		return error_errno(errno, "failed to mount local volume: mount %s:%s, type %s", device, path, type);
	if ((options->flags & remounted) == remounted && mount(NULL, path, NULL, options->flags | MS_REMOUNT, NULL) < 0)
		return error_errno(errno, "failed to mount local volume: %s read-only", path);
	if (options->propagation && mount(NULL, path, NULL, options->propagation, NULL) < 0)
		return error_errno(errno, "failed to mount local volume: propagation of %s", path);
	return NULL;
}

fallible volume_mount(const char *path, const char *type, const char *device, const char *o)
{
	autoclear(Options) options = {0};

	TRY(read_options(&options, type, o));
	Error *error = mount_by(path, type, device, &options);
	if (error)
		error_free(volume_unmount(path)); /* half of it is worse than nothing */
	return error;
}

fallible volume_unmount(const char *path)
{
	if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
		return NULL;
	if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
		return error_errno(errno, "could not unmount \"%s\"", path);
	return NULL;
}

bool volume_is_mounted(const char *path)
{
	FILE *file = setmntent("/proc/self/mounts", "re");
	autofree char *line = mem_alloc(MOUNT_LINE_MAX);
	struct mntent entry;
	bool is_there = false;

	while (file && !is_there && getmntent_r(file, &entry, line, MOUNT_LINE_MAX))
		is_there = string_equal(entry.mnt_dir, path);
	if (file)
		endmntent(file);
	return is_there;
}
