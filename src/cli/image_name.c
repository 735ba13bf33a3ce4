// SPDX-License-Identifier: Apache-2.0
#include "cli/image_name.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

/* The part before the first slash is a registry if it looks like a host: Docker's rule. */
static char *registry_of(const char *text)
{
	const char *slash = strchr(text, '/');
	autofree char *first = slash ? mem_strndup(text, (size_t)(slash - text)) : NULL;

	if (first && (strpbrk(first, ".:") || string_equal(first, "localhost")))
		return take(first);
	return mem_strdup("docker.io");
}

/* Where the tag's colon or the digest's at sign is, or NULL. A colon in front of a slash belongs to a port. */
static const char *find_tag(const char *text)
{
	const char *at = strchr(text, '@'), *slash = strrchr(text, '/');

	return at ? at : strchr(slash ? slash : text, ':');
}

void image_name_split(ImageName *ret, const char *text)
{
	const char *tag = find_tag(text);
	autofree char *name = mem_strndup(text, tag ? (size_t)(tag - text) : strlen(text));
	const char *tag_in_name = find_tag(name); /* "name:tag@digest": the digest says all */

	ret->registry = registry_of(text);
	ret->name = tag_in_name ? mem_strndup(name, (size_t)(tag_in_name - name)) : take(name);
	ret->tag = tag ? mem_strdup(tag + 1) : NULL;
}

void image_name_clear(ImageName *name)
{
	free(name->registry);
	free(name->name);
	free(name->tag);
	*name = (ImageName){0};
}
