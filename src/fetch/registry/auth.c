// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/auth.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "fetch/registry/url.h"
#include "json/fields.h"

enum {
	TOKENS_MAX = 32,
	SCOPES_MAX = 8, /* of a challenge */
	TOKEN_LENGTH_MAX = 32 << 10,
	TOKEN_LIFE_DEFAULT_S = 60,
	TOKEN_LIFE_MAX_S = 86400,
	TOKEN_TIMEOUT_S = 60
};

/* ---- the header WWW-Authenticate: scheme and parameters, several separated by commas ---- */

static bool is_token_character(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~/", c));
}

static char *read_token(const char **cursor)
{
	const char *start = *cursor;

	while (is_token_character(**cursor))
		(*cursor)++;
	return mem_strndup(start, *cursor - start);
}

static char *read_quoted(const char **cursor)
{
	autoclear(Buffer) text = {0};

	for ((*cursor)++; **cursor && **cursor != '"'; (*cursor)++) {
		if (**cursor == '\\' && (*cursor)[1])
			(*cursor)++;
		buffer_add_char(&text, **cursor);
	}
	if (**cursor == '"')
		(*cursor)++;
	return buffer_steal(&text);
}

static void skip(const char **cursor, const char *characters)
{
	*cursor += strspn(*cursor, characters);
}

static void set_parameter(Challenge *challenge, const char *name, char *take_value)
{
	char **slot = !strcasecmp(name, "realm")     ? &challenge->realm
		      : !strcasecmp(name, "service") ? &challenge->service
		      : !strcasecmp(name, "scope")   ? &challenge->scope
						     : NULL;

	if (!slot || *slot) {
		free(take_value);
		return;
	}
	*slot = take_value;
}

static bool is_better(const Challenge *challenge, const Challenge *than)
{
	if (challenge->scheme == CHALLENGE_BEARER && string_empty(challenge->realm))
		return false;
	return challenge->scheme > than->scheme;
}

/* Keeps challenge in best if it is better, and begins a new one. */
static void settle(Challenge *best, Challenge *challenge, const char *scheme)
{
	if (is_better(challenge, best)) {
		challenge_clear(best);
		*best = *challenge;
		*challenge = (Challenge){0};
	}
	challenge_clear(challenge);
	challenge->scheme = !strcasecmp(scheme, "bearer")  ? CHALLENGE_BEARER
			    : !strcasecmp(scheme, "basic") ? CHALLENGE_BASIC
							   : CHALLENGE_NONE;
}

/* Behind a word: "=value" makes it a parameter, anything else the name of a scheme. */
static void read_item(const char **cursor, Challenge *best, Challenge *challenge)
{
	autofree char *word = read_token(cursor);

	skip(cursor, " \t");
	if (**cursor != '=') {
		settle(best, challenge, word);
		return;
	}
	skip(cursor, "= \t");
	set_parameter(challenge, word, **cursor == '"' ? read_quoted(cursor) : read_token(cursor));
}

void challenge_parse(Challenge *ret, const char *header)
{
	autoclear(Challenge) challenge = {0};
	Challenge best = {0};
	const char *cursor = header;

	for (skip(&cursor, " \t,"); *cursor; skip(&cursor, " \t,")) {
		const char *before = cursor;
		read_item(&cursor, &best, &challenge);
		if (cursor == before)
			cursor++; /* no character of a word: skipped */
	}
	settle(&best, &challenge, "");
	*ret = best;
}

void challenge_clear(Challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	*challenge = (Challenge){0};
}

/* ---- the state of one registry ---- */

typedef struct Token {
	char *scope;
	char *text;
	int64_t ends_ns; /* monotonic: a device's wall clock may be wrong */
} Token;

struct Auth {
	const RegistryAccess *access;
	Challenge challenge; /* the last one */
	Token tokens[TOKENS_MAX];
	size_t next_token;
	bool asks_identity;
	char *identity_token; /* that the token server gave */
};

Auth *auth_new(const RegistryAccess *access)
{
	Auth *auth = mem_new(Auth);

	auth->access = access;
	return auth;
}

static void token_clear(Token *token)
{
	free(token->scope);
	free(token->text);
	*token = (Token){0};
}

Auth *auth_free(Auth *auth)
{
	if (!auth)
		return NULL;
	for (size_t i = 0; i < TOKENS_MAX; i++)
		token_clear(&auth->tokens[i]);
	challenge_clear(&auth->challenge);
	free(auth->identity_token);
	free(auth);
	return NULL;
}

bool auth_has_credentials(const Auth *auth)
{
	return !string_empty(auth->access->username) || !string_empty(auth->access->identity_token);
}

static Token *find_token(const Auth *auth, const char *scope)
{
	for (size_t i = 0; i < TOKENS_MAX; i++)
		if (auth->tokens[i].text && string_equal(auth->tokens[i].scope, scope))
			return (Token *)&auth->tokens[i];
	return NULL;
}

static char *basic_value(const RegistryAccess *access)
{
	autofree char *pair = string_printf("%s:%s", access->username, access->password ? access->password : "");
	size_t length = strlen(pair);
	autofree char *encoded = mem_alloc(4 * ((length + 2) / 3) + 1);

	EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)pair, length);
	explicit_bzero(pair, length);
	return string_printf("Basic %s", encoded);
}

char *auth_value(const Auth *auth, const char *scope)
{
	if (auth->challenge.scheme == CHALLENGE_BASIC && !string_empty(auth->access->username))
		return basic_value(auth->access);
	const Token *token = auth->challenge.scheme == CHALLENGE_BEARER ? find_token(auth, scope) : NULL;
	if (!token || token->ends_ns < clock_monotonic_ns())
		return NULL;
	return string_printf("Bearer %s", token->text);
}

static void keep_challenge(Auth *auth, const StringList *headers)
{
	autoclear(Challenge) best = {0};

	for (size_t i = 0; i < headers->count; i++) {
		autoclear(Challenge) challenge = {0};
		challenge_parse(&challenge, headers->items[i]);
		if (!is_better(&challenge, &best))
			continue;
		challenge_clear(&best);
		best = challenge;
		challenge = (Challenge){0};
	}
	challenge_clear(&auth->challenge);
	auth->challenge = best;
	best = (Challenge){0};
}

AuthStep auth_refused(Auth *auth, const char *scope, const char *sent, const StringList *challenges)
{
	keep_challenge(auth, challenges);
	if (auth->challenge.scheme == CHALLENGE_NONE)
		return AUTH_DENIED;
	if (auth->challenge.scheme == CHALLENGE_BASIC)
		return sent || string_empty(auth->access->username) ? AUTH_DENIED : AUTH_AGAIN;
	autofree char *value = auth_value(auth, scope);
	if (value && !string_equal(value, sent))
		return AUTH_AGAIN; /* another request has fetched a token meanwhile */
	Token *token = find_token(auth, scope);
	if (token)
		token_clear(token);
	return AUTH_TOKEN;
}

/* ---- tokens ---- */

/* "repository:a/b" of "repository:a/b:pull". */
static bool same_resource(const char *a, const char *b)
{
	const char *end = strrchr(a, ':');

	return end && strncmp(a, b, end + 1 - a) == 0;
}

static bool has_resource(const StringList *scopes, const char *asked)
{
	for (size_t i = 0; i < scopes->count; i++)
		if (same_resource(scopes->items[i], asked))
			return true;
	return false;
}

static fallible add_scopes(const Auth *auth, const char *scope, char **url)
{
	autoclear(StringList) known = {0}, asked = {0};

	strings_split(&known, scope ? scope : "", ' ');
	strings_split(&asked, auth->challenge.scope ? auth->challenge.scope : "", ' ');
	for (size_t i = 0; i < known.count; i++)
		TRY(url_add_query(url, "scope", known.items[i]));
	/* Registries that map names ask for another resource than the one that we know. */
	for (size_t i = 0; i < asked.count && i < SCOPES_MAX; i++)
		if (!has_resource(&known, asked.items[i]))
			TRY(url_add_query(url, "scope", asked.items[i]));
	return NULL;
}

static fallible get_request(const Auth *auth, const char *scope, HttpRequest *ret)
{
	ret->method = "GET";
	if (auth->challenge.service)
		TRY(url_add_query(&ret->url, "service", auth->challenge.service));
	TRY(add_scopes(auth, scope, &ret->url));
	if (auth->asks_identity) {
		TRY(url_add_query(&ret->url, "client_id", "kedge"));
		TRY(url_add_query(&ret->url, "offline_token", "true"));
	}
	if (string_empty(auth->access->username))
		return NULL;
	TRY(url_add_query(&ret->url, "account", auth->access->username));
	autofree char *value = basic_value(auth->access);
	strings_printf(&ret->headers, "Authorization: %s", value);
	return NULL;
}

static void add_form(Buffer *form, const char *name, const char *value)
{
	autofree char *escaped = NULL;

	url_escape(&escaped, value);
	buffer_printf(form, "%s%s=%s", form->length ? "&" : "", name, escaped);
}

/* The OAuth2 form: an identity token is a refresh token. */
static void post_request(const Auth *auth, const char *scope, HttpRequest *ret)
{
	autoclear(Buffer) form = {0};

	add_form(&form, "grant_type", "refresh_token");
	add_form(&form, "client_id", "kedge");
	add_form(&form, "refresh_token", auth->access->identity_token);
	if (auth->challenge.service)
		add_form(&form, "service", auth->challenge.service);
	if (!string_empty(scope))
		add_form(&form, "scope", scope);
	ret->method = "POST";
	ret->body_length = form.length;
	ret->body = buffer_steal(&form);
	strings_add(&ret->headers, "Content-Type: application/x-www-form-urlencoded");
}

Error *auth_token_request(const Auth *auth, const char *scope, bool registry_is_plain, HttpRequest *ret)
{
	ret->body_fd = -1;
	ret->limit_s = TOKEN_TIMEOUT_S;
	TRY_WRAP(url_resolve(&ret->url, NULL, auth->challenge.realm), "token server");
	if (url_is_plain(ret->url) && !registry_is_plain)
		return error_new(
			ERROR_FORBIDDEN, "the token server \"%.200s\" is without TLS, the registry is not", ret->url);
	if (string_empty(auth->access->identity_token))
		return get_request(auth, scope, ret);
	post_request(auth, scope, ret);
	return NULL;
}

typedef struct TokenAnswer {
	char *token, *access_token, *refresh_token;
	int64_t expires_in;
} TokenAnswer;

static const Field token_fields[] = {
	{.name = "token", .kind = FIELD_STRING, .offset = offsetof(TokenAnswer, token), .max_length = TOKEN_LENGTH_MAX},
	{.name = "access_token",
		.kind = FIELD_STRING,
		.offset = offsetof(TokenAnswer, access_token),
		.max_length = TOKEN_LENGTH_MAX},
	{.name = "refresh_token",
		.kind = FIELD_STRING,
		.offset = offsetof(TokenAnswer, refresh_token),
		.max_length = TOKEN_LENGTH_MAX},
	{.name = "expires_in", .kind = FIELD_INT, .offset = offsetof(TokenAnswer, expires_in)},
	FIELDS_END,
};

static void token_answer_clear(TokenAnswer *answer)
{
	fields_clear(token_fields, answer);
}
DEFINE_AUTOCLEAR(TokenAnswer, token_answer_clear)

/* What goes into a header must not end it. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int64_t life_s(int64_t said)
{
	if (said <= 0)
		return TOKEN_LIFE_DEFAULT_S;
	return said > TOKEN_LIFE_MAX_S ? TOKEN_LIFE_MAX_S : said;
}

static void keep_token(Auth *auth, const char *scope, char *take_text, int64_t seconds)
{
	Token *token = find_token(auth, scope);

	if (!token)
		token = &auth->tokens[auth->next_token++ % TOKENS_MAX];
	token_clear(token);
	token->scope = mem_strdup(scope ? scope : "");
	token->text = take_text;
	token->ends_ns = clock_monotonic_ns() + (seconds - seconds / 10) * NANOS_PER_SECOND;
}

Error *auth_token_answer(Auth *auth, const char *scope, const char *text, size_t length)
{
	autoclear(TokenAnswer) answer = {0};

	TRY(fields_read_text(token_fields, &answer, "answer of the token server", text, length, 0));
	char **token = string_empty(answer.token) ? &answer.access_token : &answer.token;
	if (string_empty(*token) || !is_printable(*token))
		return error_new(ERROR_INVALID, "the answer of the token server has no usable token");
	keep_token(auth, scope, take(*token), life_s(answer.expires_in));
	if (auth->asks_identity && !string_empty(answer.refresh_token)) {
		free(auth->identity_token);
		auth->identity_token = take(answer.refresh_token);
	}
	return NULL;
}

/* ---- a login ---- */

void auth_ask_identity(Auth *auth)
{
	auth->asks_identity = true;
}

const char *auth_identity_token(const Auth *auth)
{
	return auth->identity_token;
}
