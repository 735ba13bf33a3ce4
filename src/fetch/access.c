// SPDX-License-Identifier: Apache-2.0
#include "fetch/access.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/memory.h"

enum { SETTINGS_MAX = 64 << 10, PEM_MAX = 1 << 20, HOST_MAX = 262, PREFIX_MAX = 200 };

#define TEXT_FIELD(member)                                                                                             \
	{                                                                                                              \
		.name = #member, .kind = FIELD_STRING, .offset = offsetof(RegistryAccess, member), .omit_empty = true  \
	}

const Field registry_access_fields[] = {
	TEXT_FIELD(host),
	{.name = "plain_http", .kind = FIELD_BOOL, .offset = offsetof(RegistryAccess, plain_http), .omit_empty = true},
	{.name = "skip_verify",
		.kind = FIELD_BOOL,
		.offset = offsetof(RegistryAccess, skip_verify),
		.omit_empty = true},
	{.name = "ca_pem",
		.kind = FIELD_STRING,
		.offset = offsetof(RegistryAccess, ca_pem),
		.omit_empty = true,
		.max_length = 2 * PEM_MAX},
	TEXT_FIELD(ca_directory),
	TEXT_FIELD(client_cert_pem),
	TEXT_FIELD(client_key_pem),
	TEXT_FIELD(proxy),
	TEXT_FIELD(http_proxy),
	TEXT_FIELD(https_proxy),
	TEXT_FIELD(no_proxy),
	{.name = "mirrors",
		.kind = FIELD_STRINGS,
		.offset = offsetof(RegistryAccess, mirrors),
		.omit_empty = true,
		.max_count = MIRRORS_MAX},
	TEXT_FIELD(prefix),
	TEXT_FIELD(username),
	TEXT_FIELD(password),
	TEXT_FIELD(identity_token),
	FIELDS_END,
};

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
}

void registry_access_clear(RegistryAccess *access)
{
	wipe(access->password);
	wipe(access->identity_token);
	wipe(access->client_key_pem);
	wipe(access->proxy);
	wipe(access->http_proxy);
	wipe(access->https_proxy);
	fields_clear(registry_access_fields, access);
}

/* ---- <directory>/<host>.yaml ---- */

typedef struct Settings {
	Value *insecure; /* NULL: not said */
	char *ca, *client_cert, *client_key;
	char *proxy, *username, *password;
	StringList mirrors;
} Settings;

#define SETTING(member)                                                                                                \
	{                                                                                                              \
		.name = #member, .kind = FIELD_STRING, .offset = offsetof(Settings, member)                            \
	}

static const Field settings_fields[] = {
	{.name = "insecure", .kind = FIELD_VALUE, .offset = offsetof(Settings, insecure)},
	SETTING(ca),
	SETTING(client_cert),
	SETTING(client_key),
	SETTING(proxy),
	SETTING(username),
	SETTING(password),
	{.name = "mirrors", .kind = FIELD_STRINGS, .offset = offsetof(Settings, mirrors), .max_count = MIRRORS_MAX},
	FIELDS_END,
};

static void settings_clear(Settings *settings)
{
	wipe(settings->password);
	wipe(settings->proxy);
	fields_clear(settings_fields, settings);
}
DEFINE_AUTOCLEAR(Settings, settings_clear)

static fallible read_pem(char **slot, int dir, const char *path)
{
	if (!path)
		return NULL;
	free(take(*slot));
	return file_read(slot, NULL, dir, path, PEM_MAX);
}

static fallible read_settings_text(Settings *ret, const char *directory, const char *name)
{
	autofree char *path = path_join(directory, name);
	autofree char *text = NULL;
	autoptr(Value) value = NULL;

	TRY(file_read(&text, NULL, AT_FDCWD, path, SETTINGS_MAX));
	TRY_WRAP(value_parse_yaml(&value, text, strlen(text)), "registry settings \"%s\"", path);
	TRY_WRAP(fields_read(settings_fields, ret, value, FIELDS_STRICT), "registry settings \"%s\"", path);
	if (ret->insecure && !value_is_bool(ret->insecure))
		return error_new(
			ERROR_INVALID, "registry settings \"%s\": field \"insecure\" must be true or false", path);
	explicit_bzero(text, strlen(text));
	return NULL;
}

static fallible use_settings(RegistryAccess *access, Settings *settings, const char *directory)
{
	autofd dir = -1;

	TRY(dir_open(&dir, AT_FDCWD, directory));
	TRY_WRAP(read_pem(&access->ca_pem, dir, settings->ca), "registry settings of \"%s\": ca", access->host);
	TRY_WRAP(read_pem(&access->client_cert_pem, dir, settings->client_cert),
		"registry settings of \"%s\": client_cert", access->host);
	TRY_WRAP(read_pem(&access->client_key_pem, dir, settings->client_key),
		"registry settings of \"%s\": client_key", access->host);
	access->proxy = take(settings->proxy);
	access->username = take(settings->username);
	access->password = take(settings->password);
	access->mirrors = settings->mirrors;
	settings->mirrors = (StringList){0};
	return NULL;
}

static fallible load_settings(RegistryAccess *access, const char *directory, Settings *settings)
{
	autofree char *name = string_printf("%s.yaml", access->host);
	autofree char *path = directory ? path_join(directory, name) : NULL;

	if (!path || !file_exists(AT_FDCWD, path))
		return NULL;
	TRY(read_settings_text(settings, directory, name));
	return use_settings(access, settings, directory);
}

/* ---- <certs_directory>/<host>/ ---- */

typedef struct Certificates {
	RegistryAccess *access;
	Buffer ca;
} Certificates;

static fallible add_ca(Certificates *certificates, int dir, const char *name)
{
	autofree char *text = NULL;

	TRY(file_read(&text, NULL, dir, name, PEM_MAX));
	buffer_add_text(&certificates->ca, text);
	buffer_add_char(&certificates->ca, '\n');
	return NULL;
}

static fallible use_client_certificate(RegistryAccess *access, int dir, const char *name)
{
	autofree char *key = string_printf("%.*s.key", (int)(strlen(name) - strlen(".cert")), name);

	if (!file_exists(dir, key))
		return error_new(ERROR_INVALID, "certificate \"%s\" has no key \"%s\" beside it", name, key);
	TRY(read_pem(&access->client_cert_pem, dir, name));
	return read_pem(&access->client_key_pem, dir, key);
}

static Error *visit_certificate(void *arg, int dir, const char *name, unsigned char type)
{
	Certificates *certificates = arg;
	(void)type;

	if (string_ends(name, ".crt"))
		return add_ca(certificates, dir, name);
	if (string_ends(name, ".cert"))
		return use_client_certificate(certificates->access, dir, name);
	return NULL;
}

static fallible load_certificates(RegistryAccess *access, const char *certs_directory)
{
	Certificates certificates = {.access = access};

	if (!certs_directory)
		return NULL;
	access->ca_directory = path_join(certs_directory, access->host);
	if (!file_exists(AT_FDCWD, access->ca_directory))
		return NULL;
	buffer_init(&certificates.ca, PEM_MAX);
	if (access->ca_pem)
		buffer_printf(&certificates.ca, "%s\n", access->ca_pem);
	Error *error = dir_each(AT_FDCWD, access->ca_directory, visit_certificate, &certificates);
	bool too_large = buffer_overflown(&certificates.ca);
	free(take(access->ca_pem));
	access->ca_pem = certificates.ca.length ? buffer_steal(&certificates.ca) : NULL;
	buffer_clear(&certificates.ca);
	if (error || !too_large)
		return error ? error_wrap(error, "certificates in \"%s\"", access->ca_directory) : NULL;
	return error_new(ERROR_TOO_LARGE, "certificates in \"%s\": more than %d bytes", access->ca_directory, PEM_MAX);
}

/* ---- who is insecure ---- */

/* Host without port and without the brackets of an IPv6 address. */
static char *bare_host(const char *host)
{
	if (*host == '[')
		return mem_strndup(host + 1, strcspn(host + 1, "]"));
	return mem_strndup(host, strcspn(host, ":"));
}

static int parse_address(uint8_t ret[16], const char *text)
{
	if (inet_pton(AF_INET, text, ret) == 1)
		return 32;
	return inet_pton(AF_INET6, text, ret) == 1 ? 128 : 0;
}

static bool has_prefix(const uint8_t *address, const uint8_t *network, int bits)
{
	if (memcmp(address, network, bits / 8) != 0)
		return false;
	int rest = 8 - bits % 8;
	return rest == 8 || address[bits / 8] >> rest == network[bits / 8] >> rest;
}

static bool is_in_range(const char *host, const char *range)
{
	const char *slash = strchr(range, '/');
	autofree char *network_text = mem_strndup(range, slash ? slash - range : 0);
	uint8_t address[16], network[16];
	int64_t bits;

	int width = slash ? parse_address(network, network_text) : 0;
	if (width == 0 || parse_address(address, host) != width)
		return false;
	Error *error = string_to_int64(&bits, slash + 1, 0, width);
	if (error)
		return error_free(error); /* no range: matches nothing */
	return has_prefix(address, network, bits);
}

static bool is_listed(const char *host, const char *bare, const StringList *insecure)
{
	for (size_t i = 0; insecure && i < insecure->count; i++) {
		const char *item = insecure->items[i];
		if (string_equal(item, host) || string_equal(item, bare) || is_in_range(bare, item))
			return true;
	}
	return false;
}

static bool is_loopback(const char *bare)
{
	return string_equal(bare, "localhost") || is_in_range(bare, "127.0.0.0/8") || is_in_range(bare, "::1/128");
}

static bool is_insecure(const RegistryAccess *access, const Value *said, const StringList *insecure)
{
	autofree char *bare = bare_host(access->host);

	if (said)
		return value_bool(said, false);
	if (is_listed(access->host, bare, insecure))
		return true;
	return is_loopback(bare) && !access->ca_pem && !access->client_cert_pem;
}

/* The host becomes part of file names. */
static fallible check_host(const char *host)
{
	size_t length = strlen(host);

	if (length == 0 || length > HOST_MAX || *host == '.' ||
		strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") != length)
		return error_new(ERROR_INVALID,
			"invalid registry \"%.80s\": it must be a host name with an optional port", host);
	return NULL;
}

Error *registry_access_load(RegistryAccess *ret, const char *host, const char *directory, const char *certs_directory,
	const StringList *insecure)
{
	autoclear(RegistryAccess) access = {0};
	autoclear(Settings) settings = {0};

	TRY(check_host(host));
	access.host = mem_strdup(host);
	TRY(load_settings(&access, directory, &settings));
	TRY(load_certificates(&access, certs_directory));
	access.plain_http = access.skip_verify = is_insecure(&access, settings.insecure, insecure);
	*ret = access;
	access = (RegistryAccess){0};
	return NULL;
}

/* ---- mirrors ---- */

static fallible check_prefix(const char *mirror, const char *prefix)
{
	size_t length = strlen(prefix);

	if (length == 0 || length > PREFIX_MAX || strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789._-/") != length)
		return error_new(ERROR_INVALID,
			"invalid mirror \"%.80s\": it must be a host name with an optional port and path", mirror);
	return NULL;
}

static fallible load_mirror(RegistryAccess *ret, const char *mirror, const char *directory, const char *certs_directory,
	const StringList *insecure)
{
	const char *start = string_starts(mirror, "https://") ? mirror + strlen("https://") : mirror;
	size_t length = strcspn(start, "/");
	autofree char *host = mem_strndup(start, length);
	autoclear(RegistryAccess) access = {0};

	if (strstr(start, "://"))
		return error_new(
			ERROR_INVALID, "invalid mirror \"%.80s\": a host, or a URL that begins with https://", mirror);
	if (start[length] == '/' && start[length + 1])
		TRY(check_prefix(mirror, start + length + 1));
	TRY_WRAP(registry_access_load(&access, host, directory, certs_directory, insecure), "mirror \"%.80s\"", mirror);
	strings_clear(&access.mirrors); /* one step is enough */
	if (start[length] == '/' && start[length + 1])
		access.prefix = mem_strdup(start + length + 1);
	*ret = access;
	access = (RegistryAccess){0};
	return NULL;
}

void registry_mirrors_clear(RegistryMirrors *mirrors)
{
	RegistryAccess *items = mirrors->items;

	for (size_t i = 0; i < mirrors->count; i++)
		registry_access_clear(&items[i]);
	free(items);
	*mirrors = (RegistryMirrors){0};
}

Error *registry_mirrors_load(RegistryMirrors *ret, const RegistryAccess *access, const char *directory,
	const char *certs_directory, const StringList *insecure)
{
	RegistryAccess *items = mem_array(NULL, access->mirrors.count + 1, sizeof(RegistryAccess));
	autoclear(RegistryMirrors) mirrors = {.items = items};

	for (size_t i = 0; i < access->mirrors.count; i++) {
		items[i] = (RegistryAccess){0};
		TRY(load_mirror(&items[i], access->mirrors.items[i], directory, certs_directory, insecure));
		mirrors.count++;
	}
	*ret = mirrors;
	mirrors = (RegistryMirrors){0};
	return NULL;
}
