// SPDX-License-Identifier: Apache-2.0
#include "runtime/apparmor.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/process.h"
#include "runtime/ask.h"
#include "runtime/spec_words.h"

#define PROFILES_FILE "/sys/kernel/security/apparmor/profiles"

enum { PROFILES_MAX = 4 << 20, PROFILE_MAX = 64 << 10, LOAD_TIME_MS = 60000 };

/*
 * Everything is allowed but what is denied: capabilities and system calls have their own filters. Below /proc only a
 * process's own directory and /proc/sys/kernel/shm* may be written, below /sys only the control groups.
 */
static const char default_profile[] =
	"profile " APPARMOR_DEFAULT " flags=(attach_disconnected,mediate_deleted) {\n"
	"  network,\n"
	"  capability,\n"
	"  file,\n"
	"  umount,\n"
	"  signal (receive) peer=unconfined,\n"
	"  signal (receive) peer={crun,runc,kedged},\n"
	"  signal (send,receive) peer=" APPARMOR_DEFAULT ",\n"
	"  ptrace (trace,read,tracedby,readby) peer=" APPARMOR_DEFAULT ",\n"
	"  deny mount,\n"
	"  deny /proc/* w,\n"
	"  deny /proc/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w,\n"
	"  deny /proc/sys/[^k]** w,\n"
	"  deny /proc/sys/kernel/{?,??,[^s][^h][^m]**} w,\n"
	"  deny /proc/sysrq-trigger rwklx,\n"
	"  deny /proc/kcore rwklx,\n"
	"  deny /sys/[^f]*/** wklx,\n"
	"  deny /sys/f[^s]*/** wklx,\n"
	"  deny /sys/fs/[^c]*/** wklx,\n"
	"  deny /sys/fs/c[^g]*/** wklx,\n"
	"  deny /sys/fs/cg[^r]*/** wklx,\n"
	"  deny /sys/firmware/** rwklx,\n"
	"  deny /sys/devices/virtual/powercap/** rwklx,\n"
	"  deny /sys/kernel/security/** rwklx,\n"
	"}\n";

bool apparmor_is_there(void)
{
	return file_exists(AT_FDCWD, PROFILES_FILE);
}

fallible apparmor_choose(const char **ret, const ContainerSpec *spec, const char *otherwise)
{
	SecurityChoice security;

	TRY(spec_read_security(&security, spec));
	if (!security.apparmor && !spec->privileged)
		*ret = otherwise; /* of which its owner knows that it is there: inspect asks often */
	else if (!apparmor_is_there())
		*ret = NULL;
	else
		*ret = security.apparmor ? security.apparmor : APPARMOR_UNCONFINED;
	return NULL;
}

/* Lines "name (enforce)"; a name may hold spaces. */
fallible apparmor_is_loaded(bool *ret, const char *profile)
{
	autofree char *text = NULL;
	size_t length = strlen(profile);
	char *rest;

	TRY(file_read(&text, NULL, AT_FDCWD, PROFILES_FILE, PROFILES_MAX));
	*ret = false;
	rest = text;
	for (const char *line; !*ret && (line = strsep(&rest, "\n"));)
		*ret = strncmp(line, profile, length) == 0 && string_starts(line + length, " (");
	return NULL;
}

fallible apparmor_check(const char *profile)
{
	bool is_loaded = true;

	if (profile && strcmp(profile, APPARMOR_UNCONFINED) != 0)
		TRY(apparmor_is_loaded(&is_loaded, profile));
	if (is_loaded)
		return NULL;
	return error_hint(error_new(ERROR_INVALID, "AppArmor profile \"%s\" is not loaded", profile),
		"load it with apparmor_parser -r FILE, or use apparmor=unconfined");
}

/* ---- loading ---- */

static bool is_same_text(const char *file)
{
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, file, PROFILE_MAX);

	error_free(error); /* what cannot be read is written anew */
	return string_equal(text, default_profile);
}

/* "AppArmor parser error ..., line 3: ..." */
static fallible run_parser(const char *file)
{
	const char *argv[] = {"apparmor_parser", "--replace", "--skip-cache", file, NULL};
	char how[64];
	Ask ask;
	Error *error = ask_start(&ask, argv, STDERR_FILENO);
	int status = ask_finish(&ask, clock_monotonic_ns() + LOAD_TIME_MS * NANOS_PER_MILLI);

	if (error || status == 0)
		return error;
	process_status_text(how, sizeof(how), status);
	return error_new(ERROR_INTERNAL, "apparmor_parser: %s: %s", how, string_trim(ask.text));
}

fallible apparmor_has_default(bool *ret, const char *file)
{
	bool is_loaded = false;

	TRY(apparmor_is_loaded(&is_loaded, APPARMOR_DEFAULT));
	*ret = is_loaded && is_same_text(file);
	return NULL;
}

fallible apparmor_load_default(const char *file)
{
	bool is_there;

	TRY(apparmor_has_default(&is_there, file));
	if (is_there)
		return NULL;
	TRY(file_replace(AT_FDCWD, file, default_profile, strlen(default_profile), 0600));
	return run_parser(file);
}
