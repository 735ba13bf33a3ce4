// SPDX-License-Identifier: Apache-2.0
#include "device/declaration_check.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "device/declared_spec.h"
#include "oci/reference.h"

/* Where the engine's word for a field is another one. */
static const FieldName engine_names[] = {
	{"env", "environment"},
	{"workdir", "workingDir"},
	{"domainname", "domainName"},
	{"nanoCpus", "cpus"},
	{"cpusetCpus", "cpuset"},
	{"pidMode", "pid"},
	{"ipcMode", "ipc"},
	{"utsMode", "uts"},
	{"cgroupnsMode", "cgroupns"},
	{"usernsMode", "userns"},
	{"securityOptions", "securityOpt"},
	{"readonlyPaths", "readOnlyPaths"},
	{"health", "healthcheck"},
	{"healthOnFailure", "healthcheck.onFailure"},
	{"restartPolicy", "restart"},
	{"restartMax", "restartRetries"},
	{"logDriver", "logging.driver"},
	{"logOptions", "logging.options"},
	{"stopTimeout", "stopGracePeriod"},
	{"mounts", "volumes"},
	{NULL, NULL},
};

static fallible with_message(Error *error, char *take_message)
{
	autofree char *message = take_message;
	Error *renamed = error_new(error_kind(error), "%s", message);

	if (error_hint_text(error))
		renamed = error_hint(renamed, "%s", error_hint_text(error));
	error_free(error);
	return renamed;
}

/* The name of a field that a message is about, as in `field "x[1]" ...` or `x[1]: ...`; NULL without one. */
static const char *field_in(const char *message, size_t *ret_length, size_t *ret_prefix)
{
	static const char before[] = "field \"";
	const char *field = strstr(message, before);
	size_t bare = strcspn(message, " \"[:");

	if (message[bare] == '[') {
		*ret_length = bare;
		*ret_prefix = 0;
		return message;
	}
	if (!field)
		return NULL;
	*ret_prefix = strlen(before);
	*ret_length = strcspn(field + *ret_prefix, "\"[.");
	return field + *ret_prefix;
}

/* The longest name that fits goes first: "logging.options" before "logging". */
static const FieldName *name_of(const FieldName *names, const char *field, size_t length)
{
	const FieldName *found = NULL;

	for (; names->from; names++) {
		size_t own = strlen(names->from);
		bool is_whole =
			strncmp(names->from, field, own) == 0 && (own == length || !isalnum((unsigned char)field[own]));
		if (own >= length && is_whole && (!found || own > strlen(found->from)))
			found = names;
	}
	return found;
}

fallible error_rename_field(Error *error, const char *noun, const FieldName *names)
{
	const char *message = error ? error_message(error) : "", *rest;
	size_t length = 0, prefix = 0;
	const char *field = field_in(message, &length, &prefix);
	const FieldName *name = field ? name_of(names, field, length) : NULL;

	if (!name)
		return error;
	rest = field + strlen(name->from);
	if (!prefix)
		return with_message(error, string_printf("%s \"%s%.*s\"%s", noun, name->to, (int)strcspn(rest, ":"),
						   rest, rest + strcspn(rest, ":")));
	return with_message(error, string_printf("%.*s%s \"%s%s", (int)((size_t)(field - message) - prefix), message,
					   noun, name->to, rest));
}

fallible declaration_error(Error *error)
{
	return error_rename_field(error, "field", engine_names);
}

/* ---- checks ---- */

static fallible check_image(const Declaration *declaration)
{
	autoclear(Reference) reference = {0};

	if (!declaration->spec.image)
		return error_new(ERROR_INVALID, "field \"image\" is missing");
	TRY_WRAP(reference_parse(&reference, declaration->spec.image), "field \"image\"");
	return NULL;
}

static fallible check_registry(const DeclaredRegistry *registry)
{
	if (registry->password && registry->sealed)
		return error_new(ERROR_INVALID, "field \"registry\" has both \"password\" and \"sealed\"");
	if (!registry->username && (registry->password || registry->sealed))
		return error_new(ERROR_INVALID, "field \"registry\" has a password without \"username\"");
	return NULL;
}

static fallible check_signature(const DeclaredSignature *signature)
{
	Digest digest;

	if (signature->enforcement_digest)
		TRY_WRAP(digest_parse(&digest, signature->enforcement_digest), "field \"signature.enforcementDigest\"");
	return NULL;
}

static fallible check_labels(const StringMap *labels)
{
	for (size_t i = 0; i < labels->count; i++)
		if (string_starts(labels->items[i].key, DECLARED_LABEL))
			return error_new(
				ERROR_INVALID, "field \"labels\": \"%.300s\" is kedge's own", labels->items[i].key);
	return NULL;
}

static fallible check_dependencies(const Declaration *declaration)
{
	const Dependency *items = declaration->depends_on.items;

	for (size_t i = 0; i < declaration->depends_on.count; i++) {
		if (string_equal(items[i].name, declaration->name))
			return error_new(
				ERROR_INVALID, "field \"dependsOn\": \"%s\" is the container itself", items[i].name);
		for (size_t j = 0; j < i; j++)
			if (string_equal(items[i].name, items[j].name))
				return error_new(
					ERROR_INVALID, "field \"dependsOn\": \"%s\" is there twice", items[i].name);
	}
	return NULL;
}

static fallible check_gpus(const DeclaredGpus *gpus)
{
	if (!gpus || (gpus->count == 0) != (gpus->ids.count == 0))
		return NULL;
	return error_new(ERROR_INVALID, "field \"gpus\" must have either \"count\" or \"ids\"");
}

static fallible check_paths(const StringList *paths, const char *field)
{
	for (size_t i = 0; i < paths->count; i++)
		if (paths->items[i][0] != '/')
			return error_new(ERROR_INVALID, "field \"%s[%zu]\": \"%.300s\" must be an absolute path", field,
				i, paths->items[i]);
	return NULL;
}

/* As the engine will check it, but that the image, which is not known here, may give the command. */
static fallible check_spec(const Declaration *declaration)
{
	autoclear(ContainerSpec) spec;

	container_spec_init(&spec);
	declared_spec_plain(&spec, declaration);
	if (!spec.entrypoint.count && !spec.command.count)
		strings_add(&spec.command, "image's");
	return declaration_error(container_spec_check(&spec));
}

fallible declaration_check(const Declaration *declaration)
{
	TRY(check_image(declaration));
	TRY(check_registry(&declaration->registry));
	TRY(check_signature(&declaration->signature));
	TRY(check_labels(&declaration->spec.labels));
	TRY(check_dependencies(declaration));
	TRY(check_gpus(declaration->gpus));
	TRY(check_paths(&declaration->env_files, "envFile"));
	TRY(check_paths(&declaration->tmpfs, "tmpfs"));
	TRY(declaration_check_network(declaration));
	return check_spec(declaration);
}
