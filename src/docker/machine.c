// SPDX-License-Identifier: Apache-2.0
#include "docker/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/files.h"
#include "base/strings.h"
#include "oci/platform.h"

enum { OS_RELEASE_MAX = 64 << 10 };

const char *machine_architecture(void)
{
	static Platform host;

	if (!host.architecture)
		platform_host(&host);
	return host.architecture;
}

const char *machine_uname(void)
{
	static struct utsname host;

	if (!host.machine[0])
		uname(&host);
	return host.machine;
}

/* The value of NAME="value" or NAME=value in os-release(5). */
static char *os_release(const char *name)
{
	autofree char *text = NULL;
	autoclear(StringList) lines = {0};
	Error *error = file_read(&text, NULL, AT_FDCWD, "/etc/os-release", OS_RELEASE_MAX);

	error_free(error); /* a system without the file has no name */
	strings_split(&lines, text ? text : "", '\n');
	const char *value = strings_env(&lines, name);
	char *copy = string_printf("%s", value ? value + (*value == '"') : "");
	copy[strcspn(copy, "\"")] = '\0';
	return copy;
}

const char *machine_system(void)
{
	static char *name;

	if (!name)
		name = os_release("PRETTY_NAME");
	return *name ? name : "Linux";
}

const char *machine_system_version(void)
{
	static char *version;

	if (!version)
		version = os_release("VERSION_ID");
	return version;
}

const char *machine_build_time(void)
{
	static char text[64];
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char month[4] = "";
	int day = 1, year = 1970;

	sscanf(__DATE__, "%3s %d %d", month, &day, &year);
	const char *at = strstr(months, month);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%s.000000000+00:00", year, (int)(at ? at - months : 0) / 3 + 1,
		day, __TIME__);
	return text;
}

int64_t machine_memory(void)
{
	struct sysinfo info = {0};

	sysinfo(&info);
	return (int64_t)info.totalram * info.mem_unit;
}

int64_t machine_open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int64_t count = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* ".", ".." and the directory's own */
}
