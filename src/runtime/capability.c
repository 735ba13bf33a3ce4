// SPDX-License-Identifier: Apache-2.0
#include "runtime/capability.h"

#include <strings.h>
#include <sys/prctl.h>

static const char *const capability_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

enum { CAPABILITY_COUNT = sizeof(capability_names) / sizeof(capability_names[0]) };

static const char *const default_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"FSETID",
	"FOWNER",
	"MKNOD",
	"NET_RAW",
	"SETGID",
	"SETUID",
	"SETFCAP",
	"SETPCAP",
	"NET_BIND_SERVICE",
	"SYS_CHROOT",
	"KILL",
	"AUDIT_WRITE",
};

static int find_number(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		if (strcasecmp(capability_names[i] + 4, name) == 0)
			return i;
	return -1;
}

static uint64_t read_bounding_set(void)
{
	uint64_t set = 0;

	for (int i = 0; i < CAPABILITY_COUNT; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			set |= CAPABILITY_BIT(i);
	return set;
}

uint64_t capability_all(void)
{
	static uint64_t held; /* the bounding set of a running kedged does not change */

	if (!held)
		held = read_bounding_set();
	return held;
}

uint64_t capability_default_set(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof(default_names) / sizeof(default_names[0]); i++)
		set |= CAPABILITY_BIT(find_number(default_names[i]));
	return set & capability_all();
}

fallible capability_parse(int *ret, const char *name)
{
	int number = find_number(name);

	if (number < 0)
		return error_new(ERROR_INVALID, "capability \"%s\" is unknown", name);
	*ret = number;
	return NULL;
}

const char *capability_name(int number)
{
	return number >= 0 && number < CAPABILITY_COUNT ? capability_names[number] : NULL;
}

/* Docker's word for every capability; not one itself. */
static bool is_all(const char *name)
{
	return strcasecmp(name, "ALL") == 0;
}

static bool has_all(const StringList *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (is_all(names->items[i]))
			return true;
	return false;
}

static fallible read_set(uint64_t *ret, const StringList *names)
{
	uint64_t set = 0;
	int number = 0;

	for (size_t i = 0; i < names->count; i++) {
		if (is_all(names->items[i]))
			continue;
		TRY(capability_parse(&number, names->items[i]));
		set |= CAPABILITY_BIT(number);
	}
	*ret = set;
	return NULL;
}

static fallible check_held(uint64_t set)
{
	uint64_t missing = set & ~capability_all();

	if (!missing)
		return NULL;
	return error_new(ERROR_INVALID, "capability \"%s\" is not available: kedged does not hold it itself",
		capability_name(__builtin_ctzll(missing)));
}

fallible capability_set(uint64_t *ret, const StringList *add, const StringList *drop, bool privileged)
{
	uint64_t added, dropped;

	TRY_WRAP(read_set(&added, add), "field \"capAdd\"");
	TRY_WRAP(read_set(&dropped, drop), "field \"capDrop\"");
	TRY_WRAP(check_held(added), "field \"capAdd\"");
	if (privileged)
		*ret = capability_all();
	else if (has_all(add))
		*ret = capability_all() & ~dropped;
	else if (has_all(drop))
		*ret = added;
	else
		*ret = (capability_default_set() & ~dropped) | added;
	return NULL;
}
