// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

#define DEFAULT_REGISTRY "docker.io"
#define OFFICIAL_PREFIX "library/"

enum { REFERENCE_MAX = 1024, REPOSITORY_MAX = 255, TAG_MAX = 128, PORT_DIGITS_MAX = 5 };

/* Each check gives the reason why the text is wrong, or NULL. */

static const char *check_port(const char *port)
{
	size_t digits = strspn(port, "0123456789");

	return digits > 0 && digits <= PORT_DIGITS_MAX && !port[digits] ? NULL : "registry port must be a number";
}

static const char *check_ipv6(const char *host)
{
	const char *end = strchr(host, ']');
	struct in6_addr ignored;

	if (!end)
		return "registry address must end with \"]\"";
	autofree char *address = mem_strndup(host + 1, end - host - 1);
	if (inet_pton(AF_INET6, address, &ignored) != 1)
		return "registry is no valid IPv6 address";
	if (!end[1])
		return NULL;
	return end[1] == ':' ? check_port(end + 2) : "only a port may follow the registry address";
}

static size_t host_label_length(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '-')
		length++;
	if (length > 0 && (text[0] == '-' || text[length - 1] == '-'))
		return 0;
	return length;
}

static const char *check_registry(const char *host)
{
	if (*host == '[')
		return check_ipv6(host);
	for (;;) {
		size_t length = host_label_length(host);
		if (length == 0)
			return "registry is no valid host name";
		host += length;
		if (*host == '\0')
			return NULL;
		if (*host == ':')
			return check_port(host + 1);
		if (*host++ != '.')
			return "registry is no valid host name";
	}
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One ".", one or two "_", or any number of "-" may stand between letters and digits. */
static size_t separator_length(const char *text)
{
	if (text[0] == '.')
		return 1;
	if (text[0] == '_')
		return text[1] == '_' ? 2 : 1;
	return strspn(text, "-");
}

static const char *check_component(const char **cursor)
{
	const char *c = *cursor;

	while (is_lower_alnum(*c)) {
		while (is_lower_alnum(*c))
			c++;
		*cursor = c;
		if (!*c || *c == '/')
			return NULL;
		c += separator_length(c);
	}
	if (isupper((unsigned char)*c))
		return "repository name must be lower case";
	if (!*c || *c == '/')
		return c == *cursor ? "repository name has an empty component"
				    : "repository name has a separator at the end of a component";
	return strchr("._-", *c) ? "repository name has separators where a letter or a digit must be"
				 : "repository name has a character that is not allowed";
}

static bool is_image_id(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static const char *check_repository(const char *name)
{
	if (!*name)
		return "repository name is empty";
	if (strlen(name) > REPOSITORY_MAX)
		return "repository name is longer than 255 characters";
	for (const char *c = name;; c++) {
		const char *reason = check_component(&c);
		if (reason)
			return reason;
		if (!*c)
			return NULL;
	}
}

static const char *check_tag(const char *tag)
{
	if (!*tag)
		return "tag is empty";
	if (*tag == '.' || *tag == '-')
		return "tag must start with a letter, a digit or \"_\"";
	for (const char *c = tag; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			return "tag has a character that is not allowed";
	return strlen(tag) > TAG_MAX ? "tag is longer than 128 characters" : NULL;
}

/* "a.b/c", "a:5000/c" and "localhost/c" name a registry; "a/c" does not. */
static bool names_registry(const char *text, size_t length)
{
	return memchr(text, '.', length) || memchr(text, ':', length) ||
	       (length == 9 && memcmp(text, "localhost", 9) == 0);
}

static void split_registry(Reference *ret, const char *name)
{
	const char *slash = strchr(name, '/');

	if (!slash || !names_registry(name, slash - name)) {
		ret->registry = mem_strdup(DEFAULT_REGISTRY);
		ret->repository = mem_strdup(name);
		return;
	}
	ret->registry = mem_strndup(name, slash - name);
	ret->repository = mem_strdup(slash + 1);
	if (string_equal(ret->registry, "index.docker.io"))
		string_replace(&ret->registry, DEFAULT_REGISTRY);
}

/* Cuts "@digest" and ":tag" off name. */
static fallible split_suffixes(Reference *ret, char *name)
{
	char *at = strchr(name, '@');
	if (at) {
		*at = '\0';
		TRY(digest_parse(&ret->digest, at + 1));
	}
	char *slash = strrchr(name, '/');
	char *colon = strchr(slash ? slash : name, ':');
	if (colon) {
		*colon = '\0';
		ret->tag = mem_strdup(colon + 1);
	}
	return NULL;
}

static const char *check_parts(const Reference *reference, const char *name)
{
	const char *reason = check_registry(reference->registry);

	if (!reason && is_image_id(name))
		reason = "a name of 64 hexadecimal digits would be taken for an image id";
	if (!reason)
		reason = check_repository(reference->repository);
	if (!reason && reference->tag)
		reason = check_tag(reference->tag);
	return reason;
}

static void add_library(Reference *reference)
{
	const char *name = reference->repository;

	if (!string_equal(reference->registry, DEFAULT_REGISTRY) || !*name || strchr(name, '/'))
		return;
	char *full = string_printf(OFFICIAL_PREFIX "%s", reference->repository);
	free(reference->repository);
	reference->repository = full;
}

fallible reference_parse(Reference *ret, const char *text)
{
	autofree char *name = mem_strndup(text, REFERENCE_MAX + 1);
	autoclear(Reference) parsed = {0};

	if (!*name)
		return error_new(ERROR_INVALID, "invalid reference \"\": it is empty");
	if (strlen(name) > REFERENCE_MAX)
		return error_new(ERROR_INVALID, "invalid reference \"%.40s...\": it is longer than %d characters", name,
			REFERENCE_MAX);
	TRY_WRAP(split_suffixes(&parsed, name), "invalid reference \"%s\"", text);
	split_registry(&parsed, name);
	add_library(&parsed);
	const char *reason = check_parts(&parsed, name);
	if (reason)
		return error_new(ERROR_INVALID, "invalid reference \"%s\": %s", text, reason);
	*ret = parsed;
	parsed = (Reference){0};
	return NULL;
}

void reference_clear(Reference *reference)
{
	free(reference->registry);
	free(reference->repository);
	free(reference->tag);
	*reference = (Reference){0};
}

void reference_copy(Reference *to, const Reference *from)
{
	Reference copy = {
		.registry = mem_strdup(from->registry),
		.repository = mem_strdup(from->repository),
		.tag = mem_strdup(from->tag),
		.digest = from->digest,
	};

	reference_clear(to);
	*to = copy;
}

void reference_default_tag(Reference *reference)
{
	if (!reference->tag && !digest_is_set(&reference->digest))
		reference->tag = mem_strdup("latest");
}

/* Whether the familiar form of a name at docker.io would be read as something else. */
static bool is_ambiguous(const char *name)
{
	const char *slash = strchr(name, '/');

	return is_image_id(name) || (slash && names_registry(name, slash - name));
}

char *reference_name(const Reference *reference)
{
	const char *name = reference->repository;

	if (string_starts(name, OFFICIAL_PREFIX) && !strchr(name + strlen(OFFICIAL_PREFIX), '/'))
		name += strlen(OFFICIAL_PREFIX);
	if (!string_equal(reference->registry, DEFAULT_REGISTRY) || is_ambiguous(name))
		return string_printf("%s/%s", reference->registry, reference->repository);
	return mem_strdup(name);
}

static char *with_suffixes(const Reference *reference, const char *name)
{
	return string_printf("%s%s%s%s%s", name, reference->tag ? ":" : "", reference->tag ? reference->tag : "",
		digest_is_set(&reference->digest) ? "@" : "", reference->digest.text);
}

char *reference_familiar(const Reference *reference)
{
	autofree char *name = reference_name(reference);

	return with_suffixes(reference, name);
}

char *reference_full(const Reference *reference)
{
	autofree char *name = string_printf("%s/%s", reference->registry, reference->repository);

	return with_suffixes(reference, name);
}

/* ---- an image is asked for ---- */

/* NULL: text is no name. */
static char *meant_name(const char *text)
{
	autoclear(Reference) reference = {0};
	Error *error = reference_parse(&reference, text);

	if (error) {
		error_free(error);
		return NULL;
	}
	if (digest_is_set(&reference.digest))
		string_replace(&reference.tag, NULL);
	reference_default_tag(&reference);
	return reference_full(&reference);
}

const char *reference_among(const char *text, const StringList *names)
{
	autofree char *meant = meant_name(text);

	for (size_t i = 0; meant && i < names->count; i++) {
		autofree char *name = meant_name(names->items[i]);
		if (string_equal(name, meant))
			return names->items[i];
	}
	return NULL;
}

bool reference_is_id(const char *text, const char *id, const StringList *tags)
{
	const char *colon = strchr(id, ':'), *hex = colon ? colon + 1 : id;
	size_t algorithm = (size_t)(hex - id);
	const char *digits = strncmp(text, id, algorithm) == 0 ? text + algorithm : text;

	if (strlen(digits) < IMAGE_ID_DIGITS_MIN || !string_starts(hex, digits))
		return false;
	return string_equal(digits, hex) || !reference_among(text, tags);
}
