// SPDX-License-Identifier: Apache-2.0
#include "oci/image_config.h"

#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "oci/digest.h"
#include "oci/manifest.h"

const Field health_check_fields[] = {
	{.name = "Test", .kind = FIELD_STRINGS, .offset = offsetof(HealthCheck, test), .omit_empty = true},
	{.name = "Interval",
		.kind = FIELD_INT,
		.offset = offsetof(HealthCheck, interval_ns),
		.max = INT64_MAX,
		.omit_empty = true},
	{.name = "Timeout",
		.kind = FIELD_INT,
		.offset = offsetof(HealthCheck, timeout_ns),
		.max = INT64_MAX,
		.omit_empty = true},
	{.name = "StartPeriod",
		.kind = FIELD_INT,
		.offset = offsetof(HealthCheck, start_period_ns),
		.max = INT64_MAX,
		.omit_empty = true},
	{.name = "StartInterval",
		.kind = FIELD_INT,
		.offset = offsetof(HealthCheck, start_interval_ns),
		.max = INT64_MAX,
		.omit_empty = true},
	{.name = "Retries",
		.kind = FIELD_INT,
		.offset = offsetof(HealthCheck, retries),
		.max = INT32_MAX,
		.omit_empty = true},
	FIELDS_END,
};

#define IN_CONFIG(member) offsetof(ImageConfig, config.member)

const Field image_run_fields[] = {
	{.name = "User", .kind = FIELD_STRING, .offset = IN_CONFIG(user), .omit_empty = true},
	{.name = "WorkingDir", .kind = FIELD_STRING, .offset = IN_CONFIG(workdir), .omit_empty = true},
	{.name = "StopSignal", .kind = FIELD_STRING, .offset = IN_CONFIG(stop_signal), .omit_empty = true},
	{.name = "Env", .kind = FIELD_STRINGS, .offset = IN_CONFIG(env), .omit_empty = true},
	{.name = "Entrypoint", .kind = FIELD_WORDS, .offset = IN_CONFIG(entrypoint), .omit_empty = true},
	{.name = "Cmd", .kind = FIELD_WORDS, .offset = IN_CONFIG(command), .omit_empty = true},
	{.name = "Shell", .kind = FIELD_STRINGS, .offset = IN_CONFIG(shell), .omit_empty = true},
	{.name = "OnBuild", .kind = FIELD_STRINGS, .offset = IN_CONFIG(on_build), .omit_empty = true},
	{.name = "ExposedPorts", .kind = FIELD_SET, .offset = IN_CONFIG(exposed_ports), .omit_empty = true},
	{.name = "Volumes", .kind = FIELD_SET, .offset = IN_CONFIG(volumes), .omit_empty = true},
	{.name = "Labels", .kind = FIELD_MAP, .offset = IN_CONFIG(labels), .omit_empty = true},
	{.name = "Healthcheck",
		.kind = FIELD_OBJECT_OR_NULL,
		.offset = IN_CONFIG(health),
		.sub = health_check_fields,
		.sub_size = sizeof(HealthCheck),
		.omit_empty = true},
	FIELDS_END,
};

static const Field rootfs_fields[] = {
	{.name = "type", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, rootfs_type), .omit_empty = true},
	{.name = "diff_ids",
		.kind = FIELD_STRINGS,
		.offset = offsetof(ImageConfig, diff_ids),
		.required = true,
		.max_count = MANIFEST_LAYERS_MAX},
	FIELDS_END,
};

static const Field history_fields[] = {
	{.name = "created", .kind = FIELD_STRING, .offset = offsetof(HistoryEntry, created), .omit_empty = true},
	{.name = "created_by", .kind = FIELD_STRING, .offset = offsetof(HistoryEntry, created_by), .omit_empty = true},
	{.name = "author", .kind = FIELD_STRING, .offset = offsetof(HistoryEntry, author), .omit_empty = true},
	{.name = "comment", .kind = FIELD_STRING, .offset = offsetof(HistoryEntry, comment), .omit_empty = true},
	{.name = "empty_layer", .kind = FIELD_BOOL, .offset = offsetof(HistoryEntry, empty_layer), .omit_empty = true},
	FIELDS_END,
};

const Field image_config_fields[] = {
	{.name = "created", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, created), .omit_empty = true},
	{.name = "author", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, author), .omit_empty = true},
	{.name = "comment", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, comment), .omit_empty = true},
	{.name = "docker_version",
		.kind = FIELD_STRING,
		.offset = offsetof(ImageConfig, docker_version),
		.omit_empty = true},
	{.name = "parent", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, parent), .omit_empty = true},
	{.name = "architecture", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, architecture)},
	{.name = "os", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, os)},
	{.name = "variant", .kind = FIELD_STRING, .offset = offsetof(ImageConfig, variant), .omit_empty = true},
	{.name = "config", .kind = FIELD_OBJECT, .sub = image_run_fields},
	{.name = "rootfs", .kind = FIELD_OBJECT, .sub = rootfs_fields, .required = true},
	{.name = "history",
		.kind = FIELD_ARRAY,
		.offset = offsetof(ImageConfig, history),
		.sub = history_fields,
		.sub_size = sizeof(HistoryEntry),
		.omit_empty = true},
	FIELDS_END,
};

static fallible check_diff_ids(const StringList *diff_ids)
{
	Digest ignored;

	for (size_t i = 0; i < diff_ids->count; i++)
		TRY_WRAP(digest_parse(&ignored, diff_ids->items[i]), "image configuration: rootfs.diff_ids[%zu]", i);
	return NULL;
}

fallible image_config_parse(ImageConfig *ret, const char *text, size_t length)
{
	autoclear(ImageConfig) parsed = {0};

	if (length > IMAGE_CONFIG_MAX)
		return error_new(ERROR_TOO_LARGE, "the image configuration is larger than %d bytes", IMAGE_CONFIG_MAX);
	TRY(fields_read_text(image_config_fields, &parsed, "image configuration", text, length, 0));
	TRY(check_diff_ids(&parsed.diff_ids));
	*ret = parsed;
	parsed = (ImageConfig){0};
	return NULL;
}

void image_config_clear(ImageConfig *config)
{
	fields_clear(image_config_fields, config);
}

/* ---- filling in ---- */

static void fill_text(char **slot, const char *from)
{
	if (string_empty(*slot))
		string_replace(slot, from);
}

static void fill_set(StringList *list, const StringList *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (!strings_has(list, from->items[i]))
			strings_add(list, from->items[i]);
}

static void fill_env(StringList *env, const StringList *from)
{
	for (size_t i = 0; i < from->count; i++) {
		autofree char *name = mem_strndup(from->items[i], strcspn(from->items[i], "="));
		if (!strings_env(env, name))
			strings_add(env, from->items[i]);
	}
}

static void fill_labels(StringMap *labels, const StringMap *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (!map_get(labels, from->items[i].key))
			map_set(labels, from->items[i].key, from->items[i].value);
}

static void fill_list(StringList *list, const StringList *from)
{
	if (!list->count)
		strings_copy(list, from);
}

void image_config_fill(ImageConfig *config, const ImageConfig *from)
{
	fill_text(&config->config.user, from->config.user);
	fill_text(&config->config.workdir, from->config.workdir);
	fill_text(&config->config.stop_signal, from->config.stop_signal);
	fill_set(&config->config.exposed_ports, &from->config.exposed_ports);
	fill_set(&config->config.volumes, &from->config.volumes);
	fill_env(&config->config.env, &from->config.env);
	fill_labels(&config->config.labels, &from->config.labels);
	fill_list(&config->config.shell, &from->config.shell);
	fill_list(&config->config.on_build, &from->config.on_build);
	if (!config->config.entrypoint.count) {
		fill_list(&config->config.command, &from->config.command);
		strings_copy(&config->config.entrypoint, &from->config.entrypoint);
	}
	if (!config->config.health && from->config.health) {
		config->config.health = mem_new(HealthCheck);
		fields_copy(health_check_fields, config->config.health, from->config.health);
	}
}
