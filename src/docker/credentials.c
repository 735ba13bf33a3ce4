// SPDX-License-Identifier: Apache-2.0
#include "docker/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

typedef struct RegistryAuth {
	char *username, *password, *auth, *identity_token;
} RegistryAuth;

#define TEXT_FIELD(key, member)                                                                                        \
	{                                                                                                              \
		.name = (key), .kind = FIELD_STRING, .offset = offsetof(RegistryAuth, member), .max_length = 16 << 10  \
	}

static const Field auth_fields[] = {
	TEXT_FIELD("username", username),
	TEXT_FIELD("password", password),
	TEXT_FIELD("auth", auth),
	TEXT_FIELD("identitytoken", identity_token),
	FIELDS_END,
};

static fallible read_base64(char **ret, size_t *ret_length, const char *text)
{
	autoclear(Buffer) out = {0};

	if (!base64_decode(&out, text, strlen(text)))
		return error_new(ERROR_INVALID, "invalid base64");
	*ret_length = out.length;
	*ret = buffer_steal(&out);
	return NULL;
}

/* ---- the object ---- */

/* "auth" is base64 of "username:password". */
static fallible split_auth(RegistryAuth *auth)
{
	autofree char *text = NULL;
	size_t length;
	char *colon;

	if (string_empty(auth->auth) || !string_empty(auth->username))
		return NULL;
	TRY_WRAP(read_base64(&text, &length, auth->auth), "field \"auth\"");
	colon = strchr(text, ':');
	if (!colon)
		return error_new(ERROR_INVALID, "field \"auth\" has no colon between name and password");
	*colon = '\0';
	string_replace(&auth->username, text);
	string_replace(&auth->password, colon + 1);
	return NULL;
}

static char *take_text(char **text)
{
	char *taken = take(*text);

	if (!string_empty(taken))
		return taken;
	free(taken);
	return NULL;
}

fallible credentials_read(ImageCredentials *ret, const Value *object)
{
	RegistryAuth auth = {0};
	Error *error = fields_read(auth_fields, &auth, object, 0);

	if (!error)
		error = split_auth(&auth);
	if (!error)
		*ret = (ImageCredentials){
			take_text(&auth.username), take_text(&auth.password), take_text(&auth.identity_token)};
	fields_clear(auth_fields, &auth);
	return error;
}

static fallible parse_text(ImageCredentials *ret, const char *text, size_t length)
{
	autoptr(Value) value = NULL;

	TRY(value_parse(&value, text, length));
	return credentials_read(ret, value);
}

fallible credentials_parse(ImageCredentials *ret, const char *header)
{
	autofree char *text = NULL;
	size_t length;

	if (string_empty(header))
		return NULL;
	if (strlen(header) > REGISTRY_AUTH_MAX)
		return error_new(
			ERROR_INVALID, "header \"X-Registry-Auth\" is longer than %d bytes", REGISTRY_AUTH_MAX);
	TRY_WRAP(read_base64(&text, &length, header), "header \"X-Registry-Auth\"");
	if (length == 0)
		return NULL;
	TRY_WRAP(parse_text(ret, text, length), "header \"X-Registry-Auth\"");
	return NULL;
}
