// SPDX-License-Identifier: Apache-2.0
/* What changes between two declarations, and between a declaration and a container. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/declared_labels.h"
#include "oci/reference.h"
#include "runtime/spec_words.h"

static DeclaredChange worse(DeclaredChange a, DeclaredChange b)
{
	return a > b ? a : b;
}

/* ---- two declarations ---- */

static bool are_equal(const Value *a, const Value *b)
{
	return a && b ? value_equal(a, b) : a == b;
}

/* The engine takes no limit away from a container that runs. */
static DeclaredChange change_of(const char *name, bool is_taken_away)
{
	switch (declared_field_effect(name)) {
	case EFFECT_NONE:
		return DECLARED_SAME;
	case EFFECT_RESTART:
		return DECLARED_UPDATE;
	case EFFECT_LIMIT:
		return is_taken_away ? DECLARED_RECREATE : DECLARED_UPDATE;
	case EFFECT_RECREATE:
		break;
	}
	return DECLARED_RECREATE;
}

DeclaredChange declaration_compare(StringList *ret_names, const Declaration *from, const Declaration *to)
{
	autoptr(Value) old = declaration_value(from);
	autoptr(Value) new = declaration_value(to);
	DeclaredChange change = DECLARED_SAME;

	for (const Field *field = declaration_fields; field->name; field++) {
		const Value *before = value_get(old, field->name), *after = value_get(new, field->name);
		if (are_equal(before, after))
			continue;
		strings_add(ret_names, field->name);
		change = worse(change, change_of(field->name, !after));
	}
	return change;
}

/* ---- limits of a container ---- */

static const struct {
	const char *field;
	size_t offset;
} numbers[] = {
	{"memory", offsetof(ContainerSpec, memory)},
	{"memoryReservation", offsetof(ContainerSpec, memory_reservation)},
	{"memorySwap", offsetof(ContainerSpec, memory_swap)},
	{"cpus", offsetof(ContainerSpec, nano_cpus)},
	{"cpuShares", offsetof(ContainerSpec, cpu_shares)},
	{"cpuPeriod", offsetof(ContainerSpec, cpu_period)},
	{"cpuQuota", offsetof(ContainerSpec, cpu_quota)},
	{"blkioWeight", offsetof(ContainerSpec, blkio_weight)},
	{"pidsLimit", offsetof(ContainerSpec, pids_limit)},
	{"restartRetries", offsetof(ContainerSpec, restart_max)},
};

static const struct {
	const char *field;
	size_t offset;
} texts[] = {
	{"cpuset", offsetof(ContainerSpec, cpuset_cpus)},
	{"cpusetMems", offsetof(ContainerSpec, cpuset_mems)},
};

/* Swap that the engine has added to the memory is none that anybody took away. */
static bool is_number_same(const char *field, const ContainerSpec *want, const ContainerSpec *have, size_t offset)
{
	int64_t wanted = *(const int64_t *)((const char *)want + offset);
	int64_t number = *(const int64_t *)((const char *)have + offset);

	if (string_equal(field, "memorySwap") && !wanted && number == have->memory * 2)
		return true;
	return wanted == number;
}

static DeclaredChange compare_limits(StringList *ret_names, const ContainerSpec *want, const ContainerSpec *have)
{
	DeclaredChange change = DECLARED_SAME;

	for (size_t i = 0; i < COUNT(numbers); i++) {
		if (is_number_same(numbers[i].field, want, have, numbers[i].offset))
			continue;
		strings_add(ret_names, numbers[i].field);
		change = worse(change,
			change_of(numbers[i].field, !*(const int64_t *)((const char *)want + numbers[i].offset)));
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *wanted = *(char *const *)((const char *)want + texts[i].offset);
		const char *text = *(char *const *)((const char *)have + texts[i].offset);
		if (!strcmp(wanted ? wanted : "", text ? text : ""))
			continue;
		strings_add(ret_names, texts[i].field);
		change = worse(change, change_of(texts[i].field, string_empty(wanted)));
	}
	if (want->restart_policy != have->restart_policy) {
		strings_add(ret_names, "restart");
		change = worse(change, DECLARED_UPDATE);
	}
	return change;
}

/* ---- a container of ours ---- */

/* A limit that the kernel does not have was left out when the container was made: that is no difference. */
static bool is_as_made(const Declaration *declaration, const ContainerSpec *want, const ContainerSpec *have)
{
	const char *label = map_get(&have->labels, DECLARED_LIMITS_LABEL);
	Digest digest;

	declared_limits_digest(&digest, declaration);
	if (!string_equal(label, digest.text) || want->restart_policy != have->restart_policy)
		return false;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (!is_number_same(numbers[i].field, want, have, numbers[i].offset) &&
			*(const int64_t *)((const char *)have + numbers[i].offset))
			return false;
	return true;
}

static DeclaredChange compare_ours(
	StringList *ret_names, const Declaration *declaration, const ContainerSpec *want, const ContainerSpec *have)
{
	Digest digest;

	declaration_digest(&digest, declaration);
	if (!string_equal(map_get(&have->labels, DECLARED_DIGEST_LABEL), digest.text)) {
		declared_labels_differ(ret_names, map_get(&have->labels, DECLARED_FIELDS_LABEL), declaration);
		return DECLARED_RECREATE;
	}
	return is_as_made(declaration, want, have) ? DECLARED_SAME : compare_limits(ret_names, want, have);
}

/* ---- a container that somebody else made ---- */

/* Of the stored form: what the engine makes of a request is not what the request was, and is compared by its meaning;
 * what has no effect is not compared. */
static const struct {
	const char *stored, *field;
} compared[] = {
	{"entrypoint", "entrypoint"},
	{"command", "command"},
	{"env", "environment"},
	{"workdir", "workingDir"},
	{"user", "user"},
	{"groups", "groupAdd"},
	{"hostname", "hostname"},
	{"domainname", "domainName"},
	{"tty", "tty"},
	{"openStdin", "stdinOpen"},
	{"readOnlyRoot", "readOnly"},
	{"shmSize", "shmSize"},
	{"ports", "ports"},
	{"publishAll", "publishAll"},
	{"macAddress", "macAddress"},
	{"pidMode", "pid"},
	{"ipcMode", "ipc"},
	{"utsMode", "uts"},
	{"cgroupnsMode", "cgroupns"},
	{"privileged", "privileged"},
	{"capAdd", "capAdd"},
	{"capDrop", "capDrop"},
	{"securityOptions", "securityOpt"},
	{"devices", "devices"},
	{"deviceRules", "deviceCgroupRules"},
	{"maskedPaths", "maskedPaths"},
	{"readOnlyPaths", "readOnlyPaths"},
	{"annotations", "annotations"},
	{"sysctls", "sysctls"},
	{"ulimits", "ulimits"},
	{"extraHosts", "extraHosts"},
	{"dns", "dns"},
	{"dnsSearch", "dnsSearch"},
	{"dnsOptions", "dnsOptions"},
	{"init", "init"},
	{"deviceWeights", "blkioWeightDevice"},
	{"deviceReadBps", "deviceReadBps"},
	{"deviceWriteBps", "deviceWriteBps"},
	{"deviceReadIops", "deviceReadIops"},
	{"deviceWriteIops", "deviceWriteIops"},
	{"memorySwappiness", "memorySwappiness"},
	{"oomScoreAdj", "oomScoreAdj"},
	{"oomKillDisable", "oomKillDisable"},
	{"cgroupParent", "cgroupParent"},
	{"stopSignal", "stopSignal"},
	{"stopTimeout", "stopGracePeriod"},
	{"health", "healthcheck"},
	{"healthOnFailure", "healthcheck"},
	{"runtime", "runtime"},
	{"logOptions", "logging"},
};

static const Field *stored_field(const char *name)
{
	const Field *field = container_spec_fields;

	while (!string_equal(field->name, name))
		field++;
	return field;
}

static DeclaredChange compare_stored(StringList *ret_names, const ContainerSpec *want, const ContainerSpec *have)
{
	DeclaredChange change = DECLARED_SAME;

	for (size_t i = 0; i < COUNT(compared); i++) {
		const Field alone[] = {*stored_field(compared[i].stored), FIELDS_END};
		if (fields_equal(alone, want, have))
			continue;
		if (!strings_has(ret_names, compared[i].field))
			strings_add(ret_names, compared[i].field);
		change = DECLARED_RECREATE;
	}
	return change;
}

/* Labels of ours, and those that others have put beside, do not change what runs. */
static bool has_labels(const StringMap *have, const StringMap *want)
{
	for (size_t i = 0; i < want->count; i++)
		if (!string_starts(want->items[i].key, DECLARED_LABEL) &&
			!string_equal(map_get(have, want->items[i].key), want->items[i].value))
			return false;
	return true;
}

/* What of a mount can be seen in the container; a volume that has no name of its own is as good as another. */
static void mount_lines(StringList *ret, const ContainerSpec *spec)
{
	const MountSpec *mounts = spec->mounts.items;

	for (size_t i = 0; i < spec->mounts.count; i++) {
		const MountSpec *mount = &mounts[i];
		bool is_nameless = mount->is_anonymous || !mount->source;
		const char *mode =
			mount->propagation && strcmp(mount->propagation, "rprivate") ? mount->propagation : "";
		if (mount->kind == MOUNT_VOLUME && is_nameless)
			continue; /* the image's, too */
		strings_printf(ret, "%d|%s|%s|%d|%s|%s|%d|%s", mount->kind, mount->target,
			is_nameless ? "" : mount->source, mount->read_only, mode, mount->options ? mount->options : "",
			mount->is_flat, mount->subpath ? mount->subpath : "");
	}
	strings_sort(ret);
}

static bool has_same_mounts(const ContainerSpec *a, const ContainerSpec *b)
{
	autoclear(StringList) of_a = {0}, of_b = {0};

	mount_lines(&of_a, a);
	mount_lines(&of_b, b);
	autofree char *text_a = strings_join(&of_a, "\n"), *text_b = strings_join(&of_b, "\n");
	return string_equal(text_a, text_b);
}

/* "busybox" is docker.io/library/busybox:latest; what is no reference is an id. */
static char *whole_image(const char *image)
{
	autoclear(Reference) reference = {0};
	Error *error = reference_parse(&reference, image ? image : "");

	if (error) {
		error_free(error); /* it is compared as it is */
		return mem_strdup(image ? image : "");
	}
	reference_default_tag(&reference);
	return reference_full(&reference);
}

static bool is_same_image(const char *a, const char *b)
{
	autofree char *whole_a = whole_image(a), *whole_b = whole_image(b);

	return string_equal(whole_a, whole_b);
}

static const char *network_word(const char *mode)
{
	return string_empty(mode) || string_equal(mode, "default") ? "bridge" : mode;
}

static const char *log_word(const char *driver)
{
	return string_empty(driver) ? "json-file" : driver;
}

static DeclaredChange compare_theirs(
	StringList *ret_names, const ContainerSpec *want, const ContainerSpec *have, const ImageConfig *image)
{
	autoclear(ContainerSpec) merged;
	DeclaredChange change;

	container_spec_init(&merged);
	fields_copy(container_spec_fields, &merged, want);
	if (image)
		container_spec_merge_image(&merged, image);
	change = compare_stored(ret_names, &merged, have);
	const struct {
		const char *field;
		bool is_same;
	} meanings[] = {
		{"image", is_same_image(merged.image, have->image)},
		{"labels", has_labels(&have->labels, &merged.labels)},
		{"volumes", has_same_mounts(&merged, have)},
		{"logging", string_equal(log_word(merged.log_driver), log_word(have->log_driver))},
		{"networkMode", string_equal(network_word(merged.network_mode), network_word(have->network_mode))},
	};
	for (size_t i = 0; i < COUNT(meanings); i++) {
		if (meanings[i].is_same)
			continue;
		strings_add(ret_names, meanings[i].field);
		change = DECLARED_RECREATE;
	}
	return worse(change, compare_limits(ret_names, want, have));
}

DeclaredChange declaration_compare_container(StringList *ret_names, const Declaration *declaration,
	const ContainerSpec *want, const ContainerSpec *have, const ImageConfig *image)
{
	if (string_equal(map_get(&have->labels, DECLARED_LABEL), declaration->name))
		return compare_ours(ret_names, declaration, want, have);
	return compare_theirs(ret_names, want, have, image);
}
