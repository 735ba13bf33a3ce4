// SPDX-License-Identifier: Apache-2.0
#include "runtime/spec_words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "runtime/apparmor.h"

bool spec_is_host(const char *mode)
{
	return string_equal(mode, "host");
}

const char *spec_joined(const char *mode)
{
	static const char prefix[] = "container:";

	return mode && string_starts(mode, prefix) ? mode + strlen(prefix) : NULL;
}

bool spec_is_shared(const char *mode)
{
	return spec_is_host(mode) || spec_joined(mode);
}

/* ---- limits by name ---- */

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

int spec_rlimit(const char *name)
{
	for (size_t i = 0; i < sizeof(rlimits) / sizeof(rlimits[0]); i++)
		if (string_equal(rlimits[i].name, name))
			return rlimits[i].resource;
	return -1;
}

/* ---- security options ---- */

typedef Error *SecurityReader(SecurityChoice *choice, const char *value);

static Error *read_no_new_privileges(SecurityChoice *choice, const char *value)
{
	if (*value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return error_new(ERROR_INVALID, "\"%s\" is neither true nor false", value);
	choice->no_new_privileges = strcmp(value, "false") != 0;
	return NULL;
}

static Error *read_seccomp(SecurityChoice *choice, const char *value)
{
	choice->seccomp_off = strcmp(value, "unconfined") == 0;
	choice->seccomp_profile = value[0] == '{' ? value : NULL;
	if (choice->seccomp_off || choice->seccomp_profile || strcmp(value, "builtin") == 0 ||
		strcmp(value, "default") == 0)
		return NULL;
	return error_hint(
		error_new(ERROR_INVALID, "it is neither \"unconfined\" nor \"builtin\" nor a profile in JSON"),
		"clients send the file's text: seccomp={...}");
}

static Error *read_apparmor(SecurityChoice *choice, const char *value)
{
	choice->apparmor = value;
	if (!*value)
		return error_new(ERROR_INVALID, "the profile's name is missing");
	if (strcmp(value, APPARMOR_UNCONFINED) == 0 || apparmor_is_there())
		return NULL;
	return error_new(ERROR_UNSUPPORTED, "AppArmor is not available on this host");
}

/* As with Docker, labels mean nothing where the kernel has no SELinux: such a line of a file for many machines is taken
 * here too. */
static Error *read_label(SecurityChoice *choice, const char *value)
{
	static const char *const keys[] = {"user", "role", "type", "level", "filetype"};
	autofree char *key = mem_strndup(value, strcspn(value, "=:"));

	(void)choice;
	if (strcmp(value, "disable") == 0)
		return NULL;
	if (names_find(keys, sizeof(keys) / sizeof(keys[0]), key) < 0)
		return error_new(ERROR_INVALID, "\"%s\" is none of disable, user, role, type, level, filetype", value);
	if (!file_exists(AT_FDCWD, "/sys/fs/selinux/enforce"))
		return NULL;
	return error_new(ERROR_UNSUPPORTED, "SELinux labels are not supported");
}

static Error *read_system_paths(SecurityChoice *choice, const char *value)
{
	choice->paths_unmasked = strcmp(value, "unconfined") == 0;
	return choice->paths_unmasked ? NULL : error_new(ERROR_INVALID, "\"%s\" is not \"unconfined\"", value);
}

static const struct {
	const char *name;
	SecurityReader *read;
} security_options[] = {
	{"no-new-privileges", read_no_new_privileges},
	{"seccomp", read_seccomp},
	{"apparmor", read_apparmor},
	{"label", read_label},
	{"systempaths", read_system_paths},
};

/* "name=value", in older clients "name:value", or a bare name. */
static fallible read_security_option(SecurityChoice *choice, const char *option)
{
	size_t length = strcspn(option, "=:");
	const char *value = option[length] ? option + length + 1 : "";

	for (size_t i = 0; i < sizeof(security_options) / sizeof(security_options[0]); i++) {
		const char *name = security_options[i].name;
		if (strlen(name) == length && strncmp(name, option, length) == 0)
			return security_options[i].read(choice, value);
	}
	return error_new(ERROR_INVALID, "option is unknown");
}

fallible spec_read_security(SecurityChoice *ret, const ContainerSpec *spec)
{
	SecurityChoice choice = {.seccomp_off = spec->privileged};

	for (size_t i = 0; i < spec->security_options.count; i++) {
		const char *option = spec->security_options.items[i];
		TRY_WRAP(read_security_option(&choice, option), "field \"securityOptions\": \"%.64s\"", option);
	}
	*ret = choice;
	return NULL;
}

enum { DEFAULT_PERIOD_US = 100000 };

void spec_cpu_time(const ContainerSpec *spec, int64_t *ret_quota_us, int64_t *ret_period_us)
{
	*ret_quota_us = spec->cpu_quota;
	*ret_period_us = spec->cpu_period;
	if (!spec->nano_cpus)
		return;
	*ret_period_us = DEFAULT_PERIOD_US;
	*ret_quota_us = spec->nano_cpus / (NANOS_PER_SECOND / DEFAULT_PERIOD_US);
}

fallible rate_device(dev_t *ret, const RateSpec *rate)
{
	struct stat status;

	if (stat(rate->path, &status) < 0)
		return error_errno(errno, "device \"%s\"", rate->path);
	if (!S_ISBLK(status.st_mode))
		return error_new(ERROR_INVALID, "\"%s\" is no block device", rate->path);
	*ret = status.st_rdev;
	return NULL;
}
