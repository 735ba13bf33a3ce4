// SPDX-License-Identifier: Apache-2.0
#include "cli/new_container.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/image_name.h"
#include "cli/pull.h"

typedef enum PullPolicy { PULL_MISSING, PULL_ALWAYS, PULL_NEVER, PULL_POLICIES } PullPolicy;

static const char *const pull_policy_names[PULL_POLICIES] = {"missing", "always", "never"};

static fallible find_policy(PullPolicy *ret, const ContainerOptions *options)
{
	int index = string_empty(options->pull) ? PULL_MISSING
						: names_find(pull_policy_names, PULL_POLICIES, options->pull);

	if (index < 0)
		return error_new(
			ERROR_INVALID, "option \"--pull\": \"%s\" is none of always, missing and never", options->pull);
	*ret = (PullPolicy)index;
	return NULL;
}

/* ---- the id file ---- */

/* Made before the container, so that one that cannot be written leaves no container behind. */
static fallible open_cidfile(int *ret, const char *path)
{
	if (!path)
		return NULL;
	if (file_exists(AT_FDCWD, path))
		return error_hint(error_new(ERROR_CONFLICT, "container id file \"%s\" is there already", path),
			"remove it if its container is not needed any more");
	return file_open(ret, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

/* ---- creating ---- */

static fallible create(char **ret_id, Cli *cli, const ContainerOptions *options, const char *body)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	buffer_add_text(&target, "/containers/create");
	target_query(&target, "name", options->name);
	target_query(&target, "platform", options->platform);
	TRY(api_post(cli, &answer, buffer_text(&target), body));
	const char *id = value_string(value_get(answer, "Id"));
	if (!id)
		return error_new(ERROR_UNAVAILABLE, "kedged's answer to a create has no id");
	api_print_warnings(answer);
	*ret_id = mem_strdup(id);
	return NULL;
}

/* Not there at all, or only for another platform. */
static bool is_image_missing(const Error *error)
{
	return error && error_kind(error) == ERROR_NOT_FOUND &&
	       (strcasestr(error_message(error), "no such image") ||
		       strstr(error_message(error), "does not match the specified platform"));
}

static void say_missing(const char *image)
{
	autoclear(ImageName) name = {0};

	image_name_split(&name, image);
	fprintf(stderr, "Unable to find image '%s%s' locally\n", image, name.tag ? "" : ":latest");
}

static fallible pull_and_create(
	char **ret_id, Cli *cli, const ContainerOptions *options, const char *image, const char *body)
{
	PullPolicy policy = PULL_MISSING;

	TRY(find_policy(&policy, options));
	if (policy == PULL_ALWAYS)
		TRY(pull_image(cli, image, options->platform, stderr, options->quiet));
	Error *error = create(ret_id, cli, options, body);
	if (policy != PULL_MISSING || !is_image_missing(error))
		return error;
	error_free(error); /* the pull tells whether there is such an image at all */
	if (!options->quiet)
		say_missing(image);
	TRY(pull_image(cli, image, options->platform, stderr, options->quiet));
	return create(ret_id, cli, options, body);
}

static fallible create_with_file(
	char **ret_id, Cli *cli, const ContainerOptions *options, const StringList *arguments, int cidfile)
{
	autoclear(Buffer) body = {0};

	TRY(container_body(&body, options, arguments));
	TRY(pull_and_create(ret_id, cli, options, arguments->items[0], buffer_text(&body)));
	return cidfile < 0 ? NULL : file_write_all(cidfile, *ret_id, strlen(*ret_id), options->cidfile);
}

fallible new_container(char **ret_id, Cli *cli, const ContainerOptions *options, const StringList *arguments)
{
	autofd cidfile = -1;

	TRY(open_cidfile(&cidfile, options->cidfile));
	Error *error = create_with_file(ret_id, cli, options, arguments, cidfile);
	if (error && cidfile >= 0)
		unlink(options->cidfile);
	return error;
}
