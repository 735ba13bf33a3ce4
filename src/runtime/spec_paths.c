// SPDX-License-Identifier: Apache-2.0
#include "runtime/spec.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/spec_words.h"

static const char *const masked[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const read_only[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

/* Counters that tell one container what the others do; few machines have them, and none gets or loses them while it
 * runs. */
static const StringList *throttle_paths(void)
{
	static StringList found;
	static bool is_read;

	for (long i = 0; !is_read && i < sysconf(_SC_NPROCESSORS_CONF); i++) {
		autofree char *path = string_printf("/sys/devices/system/cpu/cpu%ld/thermal_throttle", i);
		if (file_exists(AT_FDCWD, path))
			strings_add(&found, path);
	}
	is_read = true;
	return &found;
}

/* Nothing is hidden: privileged, or systempaths=unconfined. */
static bool is_open(const ContainerSpec *spec)
{
	SecurityChoice choice = {0};

	error_free(spec_read_security(&choice, spec)); /* checked at create */
	return spec->privileged || choice.paths_unmasked;
}

static void add_all(StringList *ret, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++)
		strings_add(ret, paths[i]);
}

void container_spec_masked_paths(StringList *ret, const ContainerSpec *spec)
{
	const StringList *throttle = throttle_paths();

	if (is_open(spec))
		return;
	if (spec->masked_paths_given) {
		strings_copy(ret, &spec->masked_paths);
		return;
	}
	add_all(ret, masked, COUNT(masked));
	add_all(ret, (const char *const *)throttle->items, throttle->count);
}

void container_spec_read_only_paths(StringList *ret, const ContainerSpec *spec)
{
	if (is_open(spec))
		return;
	if (spec->read_only_paths_given)
		strings_copy(ret, &spec->read_only_paths);
	else
		add_all(ret, read_only, COUNT(read_only));
}
