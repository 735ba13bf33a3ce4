// SPDX-License-Identifier: Apache-2.0
/* Signal names, apart from process.c: the shim needs these and does not start programs with posix_spawn. */
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/process.h"
#include "base/strings.h"

/* clang-format off */
static const char *const names[] = {
	[SIGHUP] = "HUP", [SIGINT] = "INT", [SIGQUIT] = "QUIT", [SIGILL] = "ILL", [SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT", [SIGBUS] = "BUS", [SIGFPE] = "FPE", [SIGKILL] = "KILL", [SIGUSR1] = "USR1",
	[SIGSEGV] = "SEGV", [SIGUSR2] = "USR2", [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM",
	[SIGCHLD] = "CHLD", [SIGCONT] = "CONT", [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU", [SIGURG] = "URG", [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ",
	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH", [SIGIO] = "IO", [SIGPWR] = "PWR",
	[SIGSYS] = "SYS",
#ifdef SIGSTKFLT
	[SIGSTKFLT] = "STKFLT",
#endif
};
/* clang-format on */
enum { NAMES = sizeof(names) / sizeof(*names) };

/* clang-format off */
static const char *const realtime_names[] = {
	"RTMIN", "RTMIN+1", "RTMIN+2", "RTMIN+3", "RTMIN+4", "RTMIN+5", "RTMIN+6", "RTMIN+7", "RTMIN+8",
	"RTMIN+9", "RTMIN+10", "RTMIN+11", "RTMIN+12", "RTMIN+13", "RTMIN+14", "RTMIN+15", "RTMAX-14",
	"RTMAX-13", "RTMAX-12", "RTMAX-11", "RTMAX-10", "RTMAX-9", "RTMAX-8", "RTMAX-7", "RTMAX-6",
	"RTMAX-5", "RTMAX-4", "RTMAX-3", "RTMAX-2", "RTMAX-1", "RTMAX",
};
/* clang-format on */

static const struct {
	const char *name;
	int number;
} aliases[] = {{"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"POLL", SIGIO}};

static int find_name(const char *text)
{
	for (int i = 1; i < NAMES; i++)
		if (names[i] && !strcasecmp(names[i], text))
			return i;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		if (!strcasecmp(aliases[i].name, text))
			return aliases[i].number;
	return 0;
}

/* "RTMIN", "RTMIN+3", "RTMAX-1": systemd in a container stops at RTMIN+3. */
static int find_realtime(const char *text)
{
	bool from_max = !strncasecmp(text, "RTMAX", 5);
	char *end;

	if (!from_max && strncasecmp(text, "RTMIN", 5))
		return 0;
	const char *rest = text + 5;
	if (!*rest)
		return from_max ? SIGRTMAX : SIGRTMIN;
	if (*rest != (from_max ? '-' : '+') || !isdigit((unsigned char)rest[1]))
		return 0;
	long offset = strtol(rest + 1, &end, 10);
	if (*end || offset < 0 || offset > SIGRTMAX - SIGRTMIN)
		return 0;
	return (int)(from_max ? SIGRTMAX - offset : SIGRTMIN + offset);
}

static int find_number(const char *text)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return 0;
	long number = strtol(text, &end, 10);
	return *end || number < 1 || number > SIGRTMAX ? 0 : (int)number;
}

Error *signal_parse(int *ret, const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) ? text : text + 3;
	int number = find_number(text);

	if (!number)
		number = find_name(name);
	if (!number)
		number = find_realtime(name);
	if (!number)
		return error_new(ERROR_INVALID, "unknown signal \"%s\"", text);
	*ret = number;
	return NULL;
}

const char *signal_name(int signal)
{
	if (signal > 0 && signal < NAMES)
		return names[signal];
	int offset = signal - SIGRTMIN;
	if (offset < 0 || signal > SIGRTMAX || (size_t)offset >= sizeof(realtime_names) / sizeof(*realtime_names))
		return NULL;
	return realtime_names[offset];
}
