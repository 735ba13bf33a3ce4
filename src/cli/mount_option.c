// SPDX-License-Identifier: Apache-2.0
/* --mount and --volume: words that the API wants taken apart. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/container_options.h"

/* ---- CSV ---- */

/* One cell from *text on; leaves *text behind its comma, or at the end. */
static fallible read_cell(Buffer *cell, const char **text)
{
	const char *at = *text;
	bool quoted = *at == '"';

	for (at += quoted; *at && (quoted || *at != ','); at++) {
		if (quoted && at[0] == '"' && at[1] == '"')
			at++;
		else if (quoted && at[0] == '"')
			break;
		buffer_add_char(cell, *at);
	}
	if (quoted && *at++ != '"')
		return error_new(ERROR_INVALID, "a quote is not closed");
	if (*at && *at != ',')
		return error_new(ERROR_INVALID, "there is \"%.20s\" behind a closing quote", at);
	*text = at;
	return NULL;
}

fallible csv_split(StringList *ret, const char *text)
{
	for (;;) {
		autoclear(Buffer) cell = {0};
		TRY(read_cell(&cell, &text));
		strings_add(ret, buffer_text(&cell));
		if (!*text++)
			return NULL;
	}
}

/* ---- --mount ---- */

typedef struct MountFields {
	char *type, *source, *target, *propagation, *volume_driver, *subpath;
	StringMap volume_labels, volume_options;
	bool read_only, non_recursive, read_only_flat, read_only_below, no_copy, has_tmpfs;
	int64_t tmpfs_size, tmpfs_mode;
} MountFields;

static void clear_mount(MountFields *fields)
{
	free(fields->type);
	free(fields->source);
	free(fields->target);
	free(fields->propagation);
	free(fields->volume_driver);
	free(fields->subpath);
	map_clear(&fields->volume_labels);
	map_clear(&fields->volume_options);
}

DEFINE_AUTOCLEAR(MountFields, clear_mount)

static fallible set_text(MountFields *fields, char **slot, const char *value)
{
	(void)fields;
	string_replace(slot, value);
	return NULL;
}

static fallible set_type(MountFields *fields, const char *value)
{
	if (!string_equal(value, "bind") && !string_equal(value, "tmpfs") && !string_equal(value, "volume"))
		return error_new(ERROR_INVALID, "type \"%s\" is none of bind, tmpfs and volume", value);
	return set_text(fields, &fields->type, value);
}

static fallible set_source(MountFields *fields, const char *value)
{
	return set_text(fields, &fields->source, value);
}

static fallible set_target(MountFields *fields, const char *value)
{
	return set_text(fields, &fields->target, value);
}

static fallible set_propagation(MountFields *fields, const char *value)
{
	return set_text(fields, &fields->propagation, value);
}

static fallible read_bool(bool *ret, const char *value)
{
	if (string_equal(value, "") || string_equal(value, "true") || string_equal(value, "1"))
		*ret = true;
	else if (string_equal(value, "false") || string_equal(value, "0"))
		*ret = false;
	else
		return error_new(ERROR_INVALID, "\"%s\" is neither true nor false", value);
	return NULL;
}

static fallible set_read_only(MountFields *fields, const char *value)
{
	return read_bool(&fields->read_only, value);
}

static fallible set_non_recursive(MountFields *fields, const char *value)
{
	return read_bool(&fields->non_recursive, value);
}

static fallible set_recursive(MountFields *fields, const char *value)
{
	fields->non_recursive = string_equal(value, "disabled");
	fields->read_only_flat = string_equal(value, "writable");
	fields->read_only_below = string_equal(value, "readonly");
	if (fields->non_recursive || fields->read_only_flat || fields->read_only_below ||
		string_equal(value, "enabled"))
		return NULL;
	return error_new(ERROR_INVALID, "\"%s\" is none of enabled, disabled, writable and readonly", value);
}

static fallible set_no_copy(MountFields *fields, const char *value)
{
	return read_bool(&fields->no_copy, value);
}

static fallible set_volume_driver(MountFields *fields, const char *value)
{
	return set_text(fields, &fields->volume_driver, value);
}

/* "NAME=VALUE"; NAME alone has an empty value. */
static fallible set_pair(StringMap *map, const char *text)
{
	const char *equals = strchr(text, '=');
	autofree char *name = equals ? mem_strndup(text, (size_t)(equals - text)) : mem_strdup(text);

	if (!name[0])
		return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME=VALUE", text);
	map_set(map, name, equals ? equals + 1 : "");
	return NULL;
}

static fallible set_volume_label(MountFields *fields, const char *value)
{
	return set_pair(&fields->volume_labels, value);
}

static fallible set_volume_option(MountFields *fields, const char *value)
{
	return set_pair(&fields->volume_options, value);
}

static fallible set_volume_subpath(MountFields *fields, const char *value)
{
	return set_text(fields, &fields->subpath, value);
}

static fallible set_tmpfs_size(MountFields *fields, const char *value)
{
	fields->has_tmpfs = true;
	return string_to_bytes(&fields->tmpfs_size, value);
}

static fallible set_tmpfs_mode(MountFields *fields, const char *value)
{
	char *end;

	fields->has_tmpfs = true;
	fields->tmpfs_mode = strtol(value, &end, 8);
	if (!value[0] || *end || fields->tmpfs_mode < 0 || fields->tmpfs_mode > 07777)
		return error_new(ERROR_INVALID, "\"%s\" is no file mode in octal digits", value);
	return NULL;
}

/* It says how a Mac shares files with its virtual machine. */
static fallible ignore(MountFields *fields, const char *value)
{
	(void)fields;
	(void)value;
	return NULL;
}

static const struct {
	const char *name;
	Error *(*set)(MountFields *fields, const char *value);
} mount_fields[] = {
	{"type", set_type},
	{"source", set_source},
	{"src", set_source},
	{"target", set_target},
	{"destination", set_target},
	{"dst", set_target},
	{"readonly", set_read_only},
	{"ro", set_read_only},
	{"bind-propagation", set_propagation},
	{"bind-nonrecursive", set_non_recursive},
	{"bind-recursive", set_recursive},
	{"volume-nocopy", set_no_copy},
	{"volume-driver", set_volume_driver},
	{"volume-label", set_volume_label},
	{"volume-opt", set_volume_option},
	{"volume-subpath", set_volume_subpath},
	{"tmpfs-size", set_tmpfs_size},
	{"tmpfs-mode", set_tmpfs_mode},
	{"consistency", ignore},
};

static fallible read_mount_field(MountFields *fields, const char *text)
{
	size_t length = strcspn(text, "=");

	for (size_t i = 0; i < sizeof(mount_fields) / sizeof(mount_fields[0]); i++) {
		if (strlen(mount_fields[i].name) != length || strncmp(mount_fields[i].name, text, length) != 0)
			continue;
		TRY_WRAP(mount_fields[i].set(fields, text[length] ? text + length + 1 : ""), "field \"%s\"",
			mount_fields[i].name);
		return NULL;
	}
	return error_new(ERROR_INVALID, "field \"%.*s\" is unknown", (int)length, text);
}

static bool has_volume_options(const MountFields *fields)
{
	return fields->no_copy || fields->volume_driver || fields->subpath || fields->volume_labels.count ||
	       fields->volume_options.count;
}

static bool has_bind_options(const MountFields *fields)
{
	return fields->propagation || fields->non_recursive || fields->read_only_flat || fields->read_only_below;
}

static fallible check_recursive(const MountFields *fields)
{
	const char *word = fields->read_only_flat ? "writable" : "readonly";

	if ((fields->read_only_flat || fields->read_only_below) && !fields->read_only)
		return error_new(ERROR_INVALID, "field \"bind-recursive\": \"%s\" needs readonly", word);
	if (fields->read_only_below && !string_equal(fields->propagation, "rprivate"))
		return error_new(
			ERROR_INVALID, "field \"bind-recursive\": \"readonly\" needs bind-propagation=rprivate");
	return NULL;
}

static fallible check_mount(const MountFields *fields)
{
	bool is_tmpfs = string_equal(fields->type, "tmpfs"), is_bind = string_equal(fields->type, "bind");

	if (string_empty(fields->target))
		return error_new(ERROR_INVALID, "field \"target\" is missing");
	if (is_bind && string_empty(fields->source))
		return error_new(ERROR_INVALID, "field \"source\" is missing");
	if (is_tmpfs && fields->source)
		return error_new(ERROR_INVALID, "field \"source\" has no place in a tmpfs");
	if (!is_tmpfs && fields->has_tmpfs)
		return error_new(ERROR_INVALID, "fields \"tmpfs-size\" and \"tmpfs-mode\" need type=tmpfs");
	if (!is_bind && has_bind_options(fields))
		return error_new(ERROR_INVALID, "fields \"bind-...\" need type=bind");
	if ((is_bind || is_tmpfs) && has_volume_options(fields))
		return error_new(ERROR_INVALID, "fields \"volume-...\" need type=volume");
	return check_recursive(fields);
}

static void write_volume_options(Writer *writer, const MountFields *fields)
{
	write_object(writer, "VolumeOptions");
	if (fields->no_copy)
		write_bool(writer, "NoCopy", true);
	if (fields->volume_labels.count)
		write_map(writer, "Labels", &fields->volume_labels);
	if (fields->subpath)
		write_string(writer, "Subpath", fields->subpath);
	if (fields->volume_driver || fields->volume_options.count) {
		write_object(writer, "DriverConfig");
		if (fields->volume_driver)
			write_string(writer, "Name", fields->volume_driver);
		if (fields->volume_options.count)
			write_map(writer, "Options", &fields->volume_options);
		write_object_end(writer);
	}
	write_object_end(writer);
}

static void write_bind_options(Writer *writer, const MountFields *fields)
{
	write_object(writer, "BindOptions");
	if (fields->propagation)
		write_string(writer, "Propagation", fields->propagation);
	if (fields->non_recursive)
		write_bool(writer, "NonRecursive", true);
	if (fields->read_only_flat)
		write_bool(writer, "ReadOnlyNonRecursive", true);
	if (fields->read_only_below)
		write_bool(writer, "ReadOnlyForceRecursive", true);
	write_object_end(writer);
}

static void write_mount_options(Writer *writer, const MountFields *fields)
{
	if (has_bind_options(fields))
		write_bind_options(writer, fields);
	if (has_volume_options(fields))
		write_volume_options(writer, fields);
	if (fields->has_tmpfs) {
		write_object(writer, "TmpfsOptions");
		if (fields->tmpfs_size > 0)
			write_int(writer, "SizeBytes", fields->tmpfs_size);
		if (fields->tmpfs_mode > 0)
			write_int(writer, "Mode", fields->tmpfs_mode);
		write_object_end(writer);
	}
}

static void write_mount(Writer *writer, const MountFields *fields)
{
	write_object(writer, NULL);
	write_string(writer, "Type", fields->type ? fields->type : "volume");
	if (fields->source)
		write_string(writer, "Source", fields->source);
	write_string(writer, "Target", fields->target);
	if (fields->read_only)
		write_bool(writer, "ReadOnly", true);
	write_mount_options(writer, fields);
	write_object_end(writer);
}

static fallible read_mount(MountFields *fields, const char *text)
{
	autoclear(StringList) cells = {0};

	TRY(csv_split(&cells, text));
	for (size_t i = 0; i < cells.count; i++)
		TRY(read_mount_field(fields, cells.items[i]));
	return check_mount(fields);
}

fallible mount_option_write(Writer *writer, const char *text)
{
	autoclear(MountFields) fields = {0};

	Error *error = read_mount(&fields, text);
	if (error)
		return error_hint(error_wrap(error, "option \"--mount\": \"%s\"", text),
			"for example: --mount type=bind,source=/srv/data,target=/data,readonly");
	write_mount(writer, &fields);
	return NULL;
}

/* ---- --volume ---- */

/* Our own directory counts, not the daemon's. "." and ".." in front are resolved as realpath(3) would, links apart. */
static char *absolute(const char *path, size_t length)
{
	autofree char *directory = getcwd(NULL, 0);
	autofree char *relative = mem_strndup(path, length);
	autoclear(StringList) parts = {0}, kept = {0};

	strings_split(&kept, directory ? directory : "", '/');
	if (kept.count > 1 && !kept.items[kept.count - 1][0]) /* we are in "/" */
		strings_remove(&kept, kept.count - 1);
	strings_split(&parts, relative, '/');
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = parts.items[i];
		if (string_equal(part, "..") && kept.count > 1)
			strings_remove(&kept, kept.count - 1);
		else if (part[0] && !string_equal(part, ".") && !string_equal(part, ".."))
			strings_add(&kept, part);
	}
	return kept.count > 1 ? strings_join(&kept, "/") : mem_strdup("/");
}

fallible volume_option_parse(char **ret_bind, const char *text)
{
	size_t length = strcspn(text, ":");

	if (!text[0] || (text[length] && length == 0))
		return error_new(ERROR_INVALID, "option \"--volume\": \"%s\" has an empty part", text);
	if (!text[length]) {
		if (text[0] != '/')
			return error_new(ERROR_INVALID, "option \"--volume\": \"%s\" is no absolute path", text);
		*ret_bind = NULL;
		return NULL;
	}
	if (text[0] != '.') {
		*ret_bind = mem_strdup(text);
		return NULL;
	}
	autofree char *source = absolute(text, length);
	*ret_bind = string_printf("%s%s", source, text + length);
	return NULL;
}
