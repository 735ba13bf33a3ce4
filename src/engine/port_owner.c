// SPDX-License-Identifier: Apache-2.0
/*
 * Which of the host's processes has a port: for the words of an error. The kernel's tables of sockets tell a number, and
 * the descriptors of each process whether it has that one. Source: proc_net(5), proc_pid_fd(5).
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "engine/ports.h"

enum { LINE_MAX_LENGTH = 512, NAME_LENGTH = 32 };

static const char *const tables[PROTOCOLS][2] = {
	[PROTOCOL_TCP] = {"/proc/net/tcp", "/proc/net/tcp6"},
	[PROTOCOL_UDP] = {"/proc/net/udp", "/proc/net/udp6"},
};

enum { STATE_LISTEN = 0x0a, STATE_UNCONNECTED = 0x07 };

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 ..." */
static unsigned long inode_of_line(const char *line, int64_t port)
{
	unsigned local, state;
	unsigned long inode;

	if (sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &local, &state, &inode) != 3)
		return 0;
	return local == (unsigned)port && (state == STATE_LISTEN || state == STATE_UNCONNECTED) ? inode : 0;
}

static unsigned long inode_in(const char *table, int64_t port)
{
	char line[LINE_MAX_LENGTH];
	unsigned long inode = 0;
	FILE *file = table ? fopen(table, "re") : NULL;

	while (file && !inode && fgets(line, sizeof(line), file))
		inode = inode_of_line(line, port);
	if (file)
		fclose(file);
	return inode;
}

static bool has_socket(int proc, const char *pid, const char *socket)
{
	autofree char *path = string_printf("%s/fd", pid);
	autofd dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = dir < 0 ? NULL : fdopendir(dir);
	bool found = false;
	char target[64];

	if (!entries)
		return false;
	dir = -1; /* the stream's now */
	for (struct dirent *entry; !found && (entry = readdir(entries));) {
		ssize_t length = readlinkat(dirfd(entries), entry->d_name, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		found = strcmp(target, socket) == 0;
	}
	closedir(entries);
	return found;
}

static char *describe(int proc, const char *pid)
{
	autofree char *path = string_printf("%s/comm", pid), *name = NULL;
	Error *error = file_read(&name, NULL, proc, path, 256);

	error_free(error); /* it may be gone */
	return string_printf("process %s (%.*s)", pid, NAME_LENGTH, name ? string_trim(name) : "?");
}

static char *owner_of(unsigned long inode)
{
	autofree char *socket = string_printf("socket:[%lu]", inode);
	DIR *processes = opendir("/proc");
	char *owner = NULL;

	if (!processes)
		return NULL;
	for (struct dirent *entry; !owner && (entry = readdir(processes));)
		if (isdigit((unsigned char)entry->d_name[0]) && has_socket(dirfd(processes), entry->d_name, socket))
			owner = describe(dirfd(processes), entry->d_name);
	closedir(processes);
	return owner;
}

char *port_owner(int protocol, int64_t port)
{
	for (size_t i = 0; i < 2; i++) {
		unsigned long inode = inode_in(tables[protocol][i], port);
		char *owner = inode ? owner_of(inode) : NULL;
		if (owner)
			return owner;
	}
	return NULL;
}
