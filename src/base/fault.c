// SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"

static enum { UNKNOWN, OFF, ON } state;
static char *wanted; /* the point's name; NULL when only counting */
static unsigned long countdown;
static bool kills;
static unsigned long passed;

static void write_count(void)
{
	int fd = open(getenv("KEDGE_FAULT_COUNT"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	dprintf(fd, "%lu\n", passed);
	close(fd);
}

/* "name:3:kill", from the right, since a name may hold what it likes. */
static bool read_setting(const char *text)
{
	autofree char *copy = mem_strdup(text);
	char *action = strrchr(copy, ':');

	if (!action)
		return false;
	*action++ = '\0';
	char *number = strrchr(copy, ':');
	if (!number)
		return false;
	*number++ = '\0';
	countdown = strtoul(number, NULL, 10);
	kills = string_equal(action, "kill");
	wanted = take(copy);
	return countdown > 0 && (kills || string_equal(action, "fail"));
}

static void read_environment(void)
{
	const char *setting = getenv("KEDGE_FAULT"), *count_file = getenv("KEDGE_FAULT_COUNT");

	state = setting || count_file ? ON : OFF;
	if (count_file)
		atexit(write_count);
	if (setting && !read_setting(setting)) {
		log_error("cannot use KEDGE_FAULT \"%s\": want NAME:CALL:fail or NAME:CALL:kill", setting);
		_exit(2);
	}
}

Error *fault(const char *point)
{
	if (state == OFF)
		return NULL;
	if (state == UNKNOWN) {
		read_environment();
		return fault(point);
	}
	passed++;
	if (!wanted || (!string_equal(wanted, "*") && !string_equal(wanted, point)) || !countdown || --countdown)
		return NULL;
	if (kills)
		kill(getpid(), SIGKILL);
	return error_errno(EIO, "fault \"%s\"", point);
}
