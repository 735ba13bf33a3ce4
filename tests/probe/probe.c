// SPDX-License-Identifier: Apache-2.0
/*
 * Prints what a container's process finds as one JSON object: who it is, its environment, limits, mounts, namespaces,
 * devices. Arguments are further questions, answered in order under "answers": read:PATH, write:PATH (may it be opened
 * for writing), open:PATH (read and write), list:PATH, node:TYPE:MAJOR:MINOR (made and opened), errors as "E..." words.
 * Alone, last:PATH prints nothing: the time of CLOCK_MONOTONIC, in nanoseconds, written there is the last that is done.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 256 << 10, GROUPS_MAX = 64 };

extern char **environ;

static const char *comma = "";

static void put_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void key(const char *name)
{
	printf("%s\n", comma);
	put_text(name);
	putchar(':');
	comma = ",";
}

static void member(const char *name, const char *text)
{
	key(name);
	put_text(text);
}

static void number(const char *name, long long value)
{
	key(name);
	printf("%lld", value);
}

static void list(const char *name, char **words)
{
	const char *separator = "";

	key(name);
	putchar('[');
	for (; *words; words++, separator = ",") {
		fputs(separator, stdout);
		put_text(*words);
	}
	putchar(']');
}

/* NULL and errno when it cannot be read. */
static const char *read_file(const char *path)
{
	static char text[TEXT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t count = 0;

	if (fd < 0)
		return NULL;
	while (length < sizeof(text) - 1 && (count = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)count;
	close(fd);
	text[length] = '\0';
	return count < 0 ? NULL : text;
}

static void file(const char *name, const char *path)
{
	const char *text = read_file(path);

	member(name, text ? text : strerrorname_np(errno));
}

/* ---- who ---- */

static void identity(void)
{
	gid_t groups[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, groups);

	number("uid", getuid());
	number("gid", getgid());
	number("pid", getpid());
	number("ppid", getppid());
	key("groups");
	putchar('[');
	for (int i = 0; i < count; i++)
		printf("%s%u", i ? "," : "", groups[i]);
	putchar(']');
}

static void names(void)
{
	struct utsname host;
	char directory[PATH_MAX];

	uname(&host);
	member("hostname", host.nodename);
	member("domainname", host.domainname);
	member("cwd", getcwd(directory, sizeof(directory)) ? directory : "?");
}

static void limits(void)
{
	static const char *const words[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "as",
		[RLIMIT_CORE] = "core",
		[RLIMIT_CPU] = "cpu",
		[RLIMIT_DATA] = "data",
		[RLIMIT_FSIZE] = "fsize",
		[RLIMIT_LOCKS] = "locks",
		[RLIMIT_MEMLOCK] = "memlock",
		[RLIMIT_MSGQUEUE] = "msgqueue",
		[RLIMIT_NICE] = "nice",
		[RLIMIT_NOFILE] = "nofile",
		[RLIMIT_NPROC] = "nproc",
		[RLIMIT_RSS] = "rss",
		[RLIMIT_RTPRIO] = "rtprio",
		[RLIMIT_RTTIME] = "rttime",
		[RLIMIT_SIGPENDING] = "sigpending",
		[RLIMIT_STACK] = "stack",
	};
	struct rlimit limit;

	key("limits");
	putchar('{');
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		getrlimit((__rlimit_resource_t)i, &limit);
		printf("%s\"%s\":[%lld,%lld]", i ? "," : "", words[i], (long long)limit.rlim_cur,
			(long long)limit.rlim_max);
	}
	putchar('}');
}

/* ---- where ---- */

static void namespaces(void)
{
	static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
	char path[64], target[64];

	key("namespaces");
	putchar('{');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
		printf("%s\"%s\":", i ? "," : "", kinds[i]);
		put_text(target);
	}
	putchar('}');
}

static void device(const char *directory, const char *name, const char **separator)
{
	char path[PATH_MAX], type;
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (lstat(path, &status) < 0 || (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)))
		return;
	type = S_ISCHR(status.st_mode) ? 'c' : 'b';
	fputs(*separator, stdout);
	put_text(path);
	printf(":\"%c %u:%u %o\"", type, major(status.st_rdev), minor(status.st_rdev), status.st_mode & 07777);
	*separator = ",";
}

static void devices_in(const char *directory, int depth, const char **separator)
{
	DIR *stream = opendir(directory);
	char path[PATH_MAX];

	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		if (entry->d_name[0] == '.')
			continue;
		device(directory, entry->d_name, separator);
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_type == DT_DIR && depth < 4)
			devices_in(path, depth + 1, separator);
	}
	if (stream)
		closedir(stream);
}

static void devices(void)
{
	const char *separator = "";

	key("devices");
	putchar('{');
	devices_in("/dev", 0, &separator);
	putchar('}');
}

/* ---- questions ---- */

static void try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);

	put_text(fd < 0 ? strerrorname_np(errno) : "yes");
	if (fd >= 0)
		close(fd);
}

static void try_node(const char *text)
{
	static const char path[] = "/tmp/probe-node";
	unsigned number_major, number_minor;
	char type;

	if (sscanf(text, "%c:%u:%u", &type, &number_major, &number_minor) != 3) {
		put_text("?");
		return;
	}
	unlink(path);
	if (mknod(path, (type == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(number_major, number_minor)) < 0)
		printf("\"mknod %s\"", strerrorname_np(errno));
	else
		try_open(path, O_RDONLY);
}

static void list_directory(const char *path)
{
	DIR *stream = opendir(path);
	const char *separator = "";

	putchar('[');
	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		if (entry->d_name[0] == '.')
			continue;
		fputs(separator, stdout);
		put_text(entry->d_name);
		separator = ",";
	}
	putchar(']');
	if (stream)
		closedir(stream);
}

static void answer(const char *question)
{
	const char *argument = strchr(question, ':');
	const char *text;

	argument = argument ? argument + 1 : "";
	if (strncmp(question, "read:", 5) == 0) {
		text = read_file(argument);
		put_text(text ? text : strerrorname_np(errno));
	} else if (strncmp(question, "write:", 6) == 0) {
		try_open(argument, O_WRONLY);
	} else if (strncmp(question, "open:", 5) == 0) {
		try_open(argument, O_RDWR);
	} else if (strncmp(question, "list:", 5) == 0) {
		list_directory(argument);
	} else if (strncmp(question, "node:", 5) == 0) {
		try_node(argument);
	} else {
		put_text("?");
	}
}

static int last_act(const char *path)
{
	struct timespec now;
	int fd = open(path, O_WRONLY);

	clock_gettime(CLOCK_MONOTONIC, &now);
	dprintf(fd, "%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	_exit(fd < 0);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strncmp(argv[1], "last:", 5) == 0)
		return last_act(argv[1] + 5);
	putchar('{');
	identity();
	names();
	list("env", environ);
	list("argv", argv);
	limits();
	namespaces();
	devices();
	file("status", "/proc/self/status");
	file("mountinfo", "/proc/self/mountinfo");
	file("cgroup", "/proc/self/cgroup");
	file("oom_score_adj", "/proc/self/oom_score_adj");
	key("answers");
	putchar('[');
	for (int i = 1; i < argc; i++) {
		fputs(i > 1 ? "," : "", stdout);
		answer(argv[i]);
	}
	puts("]}");
	return 0;
}
