// SPDX-License-Identifier: Apache-2.0
#include "cli/config.h"

#include <fcntl.h>
#include <string.h>

#include "base/base64.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/credential_helper.h"
#include "json/writer.h"

#define HUB_SERVER "https://index.docker.io/v1/"

/* ---- the file ---- */

fallible config_parse(Config *config, const char *text, size_t length)
{
	autoptr(Value) root = NULL;

	TRY(value_parse(&root, text, length));
	if (!value_is_object(root))
		return error_new(ERROR_INVALID, "it is no object");
	value_free(config->root);
	config->root = take(root);
	return NULL;
}

fallible config_load(Config *ret, const char *directory)
{
	autoclear(Config) config = {.path = path_join(directory, "config.json"), .root = value_object()};
	autofree char *text = NULL;
	size_t length = 0;

	if (file_exists(AT_FDCWD, config.path)) {
		TRY(file_read(&text, &length, AT_FDCWD, config.path, CONFIG_MAX));
		TRY_WRAP(config_parse(&config, text, length), "credentials file \"%s\"", config.path);
	}
	*ret = config;
	config = (Config){0};
	return NULL;
}

void config_clear(Config *config)
{
	free(config->path);
	value_free(config->root);
	*config = (Config){0};
}

static fallible config_save(const Config *config)
{
	autoclear(Buffer) text = {0};
	autofree char *directory = mem_strndup(config->path, strlen(config->path) - strlen("/config.json"));

	value_write(config->root, &text);
	buffer_add_char(&text, '\n');
	TRY(dir_make_all(AT_FDCWD, directory, 0700));
	return file_replace(AT_FDCWD, config->path, text.data, text.length, 0600);
}

/* ---- finding ---- */

const char *config_server_name(const char *registry)
{
	return string_equal(registry, "docker.io") ? HUB_SERVER : registry;
}

char *config_registry_of(const char *server)
{
	if (!server)
		return mem_strdup("docker.io");
	if (string_starts(server, "https://"))
		server += strlen("https://");
	else if (string_starts(server, "http://"))
		server += strlen("http://");
	autofree char *host = mem_strndup(server, strcspn(server, "/"));
	return string_equal(host, "index.docker.io") || string_equal(host, "registry-1.docker.io")
		       ? mem_strdup("docker.io")
		       : take(host);
}

/* Older files have keys like "https://registry.example/v2/": the host counts. */
static bool is_key_of(const char *key, const char *registry)
{
	if (string_equal(key, config_server_name(registry)))
		return true;
	if (string_starts(key, "https://"))
		key += strlen("https://");
	else if (string_starts(key, "http://"))
		key += strlen("http://");
	size_t length = strcspn(key, "/");
	return strlen(registry) == length && strncmp(key, registry, length) == 0;
}

static Value *find_entry(const Config *config, const char *registry, const char **ret_key)
{
	Value *auths = value_get(config->root, "auths"), *entry;
	size_t cursor = 0;

	while (value_each(auths, &cursor, ret_key, &entry))
		if (is_key_of(*ret_key, registry))
			return entry;
	return NULL;
}

const char *config_helper(const Config *config, const char *registry)
{
	const Value *helpers = value_get(config->root, "credHelpers");
	const char *helper = value_string(value_get(helpers, config_server_name(registry)));

	if (!helper)
		helper = value_string(value_get(helpers, registry));
	if (!helper)
		helper = value_string(value_get(config->root, "credsStore"));
	return string_empty(helper) ? NULL : helper;
}

/* "auth" is base64 of "username:password". */
static fallible decode_auth(Credentials *ret, const char *auth, const char *registry)
{
	autoclear(Buffer) text = {0};

	if (!base64_decode(&text, auth, strlen(auth)))
		return error_new(ERROR_INVALID, "field \"auth\" of registry \"%s\" is not base64", registry);
	char *colon = strchr(buffer_text(&text), ':');
	if (!colon)
		return error_new(
			ERROR_INVALID, "field \"auth\" of registry \"%s\" does not hold NAME:PASSWORD", registry);
	ret->username = mem_strndup(text.data, (size_t)(colon - text.data));
	ret->password = mem_strdup(colon + 1);
	return NULL;
}

fallible config_find_kept(Credentials *ret, const Config *config, const char *registry)
{
	const char *key;
	const Value *entry = find_entry(config, registry, &key);
	const char *auth = value_string(value_get(entry, "auth"));

	if (!string_empty(auth))
		TRY_WRAP(decode_auth(ret, auth, registry), "credentials file \"%s\"",
			config->path ? config->path : "config.json");
	else if (entry) {
		ret->username = mem_strdup(value_string(value_get(entry, "username")));
		ret->password = mem_strdup(value_string(value_get(entry, "password")));
	}
	ret->identity_token = mem_strdup(value_string(value_get(entry, "identitytoken")));
	return NULL;
}

fallible config_find(Credentials *ret, const Config *config, const char *registry)
{
	const char *helper = config_helper(config, registry);

	if (helper)
		return helper_get(ret, helper, config_server_name(registry));
	return config_find_kept(ret, config, registry);
}

void credentials_clear(Credentials *credentials)
{
	free(credentials->username);
	free(credentials->password);
	free(credentials->identity_token);
	*credentials = (Credentials){0};
}

/* ---- changing ---- */

static Value *new_entry(const Credentials *credentials)
{
	Value *entry = value_object();
	autoclear(Buffer) auth = {0};
	autofree char *pair =
		string_printf("%s:%s", credentials->username, credentials->identity_token ? "" : credentials->password);

	base64_encode(&auth, pair, strlen(pair));
	value_set(entry, "auth", value_new_string(buffer_text(&auth)));
	if (credentials->identity_token)
		value_set(entry, "identitytoken", value_new_string(credentials->identity_token));
	return entry;
}

/* auths without the registry's entries. */
static Value *auths_without(const Config *config, const char *registry, bool *ret_removed)
{
	Value *kept = value_object(), *entry;
	const char *key;
	size_t cursor = 0;

	*ret_removed = false;
	while (value_each(value_get(config->root, "auths"), &cursor, &key, &entry)) {
		if (is_key_of(key, registry))
			*ret_removed = true;
		else
			value_set(kept, key, value_ref(entry));
	}
	return kept;
}

/* Where a helper keeps the secret, an empty entry says that there is one, as Docker has it. */
fallible config_store(Config *config, const char *registry, const Credentials *credentials)
{
	const char *helper = config_helper(config, registry);
	bool removed;

	if (helper)
		TRY(helper_store(helper, config_server_name(registry), credentials));
	Value *auths = auths_without(config, registry, &removed);
	value_set(auths, config_server_name(registry), helper ? value_object() : new_entry(credentials));
	value_set(config->root, "auths", auths);
	return config_save(config);
}

fallible config_remove(Config *config, const char *registry, bool *ret_removed)
{
	const char *helper = config_helper(config, registry);
	bool erased = false, removed;

	if (helper)
		TRY(helper_erase(helper, config_server_name(registry), &erased));
	value_set(config->root, "auths", auths_without(config, registry, &removed));
	if (removed)
		TRY(config_save(config));
	*ret_removed = erased || removed;
	return NULL;
}

/* ---- for the API ---- */

char *credentials_header(const Credentials *credentials, const char *registry)
{
	autoclear(Buffer) json = {0}, header = {0};
	Writer writer;

	writer_init(&writer, &json);
	write_object(&writer, NULL);
	if (credentials->username)
		write_string(&writer, "username", credentials->username);
	if (credentials->password)
		write_string(&writer, "password", credentials->password);
	if (credentials->identity_token)
		write_string(&writer, "identitytoken", credentials->identity_token);
	if (credentials->username || credentials->identity_token)
		write_string(&writer, "serveraddress", config_server_name(registry));
	write_object_end(&writer);
	buffer_add_text(&header, "X-Registry-Auth: ");
	base64_encode_url(&header, json.data, json.length);
	return buffer_steal(&header);
}

fallible config_header(char **ret, const char *directory, const char *registry)
{
	autoclear(Config) config = {0};
	autoclear(Credentials) credentials = {0};

	TRY(config_load(&config, directory));
	TRY(config_find(&credentials, &config, registry));
	*ret = credentials_header(&credentials, registry);
	return NULL;
}
