// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/auth.h"

#include "check.h"

/* ---- challenges ---- */

static const struct {
	const char *header;
	ChallengeScheme scheme;
	const char *realm, *service, *scope;
} challenges[] = {
	{"Basic realm=\"here\"", CHALLENGE_BASIC, "here"},
	{"basic", CHALLENGE_BASIC},
	{"BASIC realm=token", CHALLENGE_BASIC, "token"},
	{"Bearer "
	 "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"",
		CHALLENGE_BEARER, "https://auth.docker.io/token", "registry.docker.io", "repository:a/b:pull,push"},
	{"bearer  realm = \"https://x\" , scope=\"a\\\"b\"", CHALLENGE_BEARER, "https://x", NULL, "a\"b"},
	{"Bearer service=\"no realm\"", CHALLENGE_NONE},
	{"Basic realm=\"a\", Bearer realm=\"https://b\"", CHALLENGE_BEARER, "https://b"},
	{"Bearer realm=\"https://b\", Basic realm=\"a\"", CHALLENGE_BEARER, "https://b"},
	{"Negotiate, Basic realm=\"a\"", CHALLENGE_BASIC, "a"},
	{"Negotiate YWJj==, Basic realm=\"a\"", CHALLENGE_BASIC, "a"},
	{"Digest realm=\"a\", nonce=\"b\"", CHALLENGE_NONE},
	{"Bearer realm=\"first\",realm=\"second\"", CHALLENGE_BEARER, "first"},
	{"Bearer realm=\"never closed", CHALLENGE_BEARER, "never closed"},
	{"", CHALLENGE_NONE},
	{",,, ,", CHALLENGE_NONE},
	{"\"\" = ; Basic", CHALLENGE_BASIC},
};

static void parses_challenges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
		autoclear(Challenge) challenge = {0};
		challenge_parse(&challenge, challenges[i].header);
		assert_int_equal(challenge.scheme, challenges[i].scheme);
		if (challenge.scheme == CHALLENGE_NONE)
			continue;
		assert_true(string_equal(challenge.realm, challenges[i].realm));
		assert_true(string_equal(challenge.service, challenges[i].service));
		assert_true(string_equal(challenge.scope, challenges[i].scope));
	}
}

/* ---- what follows from them ---- */

static AuthStep refuse(Auth *auth, const char *scope, const char *sent, const char *header)
{
	autoclear(StringList) headers = {0};

	strings_add(&headers, header);
	return auth_refused(auth, scope, sent, &headers);
}

static void basic(void **state)
{
	(void)state;
	char username[] = "tom", password[] = "secret";
	RegistryAccess access = {.username = username, .password = password};
	autoptr(Auth) auth = auth_new(&access);

	assert_null(auth_value(auth, "s"));
	assert_int_equal(refuse(auth, "s", NULL, "Basic realm=\"x\""), AUTH_AGAIN);
	check_text(auth_value(auth, "s"), "Basic dG9tOnNlY3JldA==");
	assert_int_equal(refuse(auth, "s", "Basic dG9tOnNlY3JldA==", "Basic realm=\"x\""), AUTH_DENIED);
}

static void nobody_cannot_answer_basic(void **state)
{
	(void)state;
	RegistryAccess access = {0};
	autoptr(Auth) auth = auth_new(&access);

	assert_int_equal(refuse(auth, "s", NULL, "Basic realm=\"x\""), AUTH_DENIED);
	assert_int_equal(refuse(auth, "s", NULL, "Digest realm=\"x\""), AUTH_DENIED);
}

#define BEARER "Bearer realm=\"https://auth.example/token\",service=\"the service\""

static void tokens_are_kept_by_scope(void **state)
{
	(void)state;
	static const char answer[] = "{\"token\":\"abc\",\"expires_in\":300}";
	RegistryAccess access = {0};
	autoptr(Auth) auth = auth_new(&access);

	assert_int_equal(refuse(auth, "pull", NULL, BEARER), AUTH_TOKEN);
	check_ok(auth_token_answer(auth, "pull", answer, strlen(answer)));
	check_text(auth_value(auth, "pull"), "Bearer abc");
	assert_null(auth_value(auth, "push"));
	assert_int_equal(refuse(auth, "pull", NULL, BEARER), AUTH_AGAIN);
	assert_int_equal(refuse(auth, "pull", "Bearer older", BEARER), AUTH_AGAIN);
	assert_int_equal(refuse(auth, "pull", "Bearer abc", BEARER), AUTH_TOKEN);
	assert_null(auth_value(auth, "pull"));
}

static void many_scopes_do_not_grow(void **state)
{
	(void)state;
	static const char answer[] = "{\"access_token\":\"abc\"}";
	RegistryAccess access = {0};
	autoptr(Auth) auth = auth_new(&access);

	assert_int_equal(refuse(auth, "0", NULL, BEARER), AUTH_TOKEN);
	for (int i = 0; i < 100; i++) {
		autofree char *scope = string_printf("%d", i);
		check_ok(auth_token_answer(auth, scope, answer, strlen(answer)));
	}
	assert_null(auth_value(auth, "0"));
	check_text(auth_value(auth, "99"), "Bearer abc");
}

static void request(Auth *auth, const char *scope, bool is_plain, const char *method, const char *url)
{
	HttpRequest it = {0};

	check_ok(auth_token_request(auth, scope, is_plain, &it));
	assert_string_equal(it.method, method);
	assert_string_equal(it.url, url);
	http_request_clear(&it);
}

static void asks_for_tokens(void **state)
{
	(void)state;
	char username[] = "tom", password[] = "x y";
	RegistryAccess access = {0};
	autoptr(Auth) auth = auth_new(&access);

	assert_int_equal(refuse(auth, "repository:a/b:pull", NULL, BEARER), AUTH_TOKEN);
	request(auth, "repository:a/b:pull", false, "GET",
		"https://auth.example/token?service=the+service&scope=repository%3aa%2fb%3apull");
	assert_int_equal(refuse(auth, "", NULL, BEARER ",scope=\"aws\""), AUTH_TOKEN);
	request(auth, "repository:a:pull", false, "GET",
		"https://auth.example/token?service=the+service&scope=repository%3aa%3apull&scope=aws");
	assert_int_equal(refuse(auth, "", NULL, BEARER ",scope=\"repository:a:pull\""), AUTH_TOKEN);
	access.username = username;
	access.password = password;
	request(auth, "repository:a:pull,push", false, "GET",
		"https://auth.example/token?service=the+service&scope=repository%3aa%3apull%2cpush&account=tom");
}

static void exchanges_identity_tokens(void **state)
{
	(void)state;
	char token[] = "a&b=c";
	RegistryAccess access = {.identity_token = token};
	autoptr(Auth) auth = auth_new(&access);
	HttpRequest it = {0};

	assert_int_equal(refuse(auth, "s", NULL, BEARER), AUTH_TOKEN);
	check_ok(auth_token_request(auth, "s", false, &it));
	assert_string_equal(it.method, "POST");
	assert_string_equal(it.body,
		"grant_type=refresh_token&client_id=kedge&refresh_token=a%26b%3Dc&service=the%20service&scope=s");
	http_request_clear(&it);
}

static void credentials_do_not_leave_tls(void **state)
{
	(void)state;
	RegistryAccess access = {0};
	autoptr(Auth) auth = auth_new(&access);
	HttpRequest it = {0};

	assert_int_equal(refuse(auth, "s", NULL, "Bearer realm=\"http://auth.example/token\""), AUTH_TOKEN);
	check_error(auth_token_request(auth, "s", false, &it), ERROR_FORBIDDEN,
		"the token server \"http://auth.example/token\" is without TLS, the registry is not");
	http_request_clear(&it);
	request(auth, "s", true, "GET", "http://auth.example/token?scope=s");
	assert_int_equal(refuse(auth, "s", NULL, "Bearer realm=\"file:///etc/shadow\""), AUTH_TOKEN);
	check_invalid(auth_token_request(auth, "s", true, &it),
		"token server: URL \"file:///etc/shadow\" is neither http nor https");
	http_request_clear(&it);
}

static void refuses_tokens(void **state)
{
	(void)state;
	static const char *const bad[] = {"{}", "{\"token\":\"\"}", "{\"token\":\"a b\"}",
		"{\"token\":\"a\\r\\nX: y\"}", "{\"token\":\"\xc3\xa4\"}"};
	RegistryAccess access = {0};
	autoptr(Auth) auth = auth_new(&access);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_invalid(auth_token_answer(auth, "s", bad[i], strlen(bad[i])),
			"the answer of the token server has no usable token");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_challenges),
		cmocka_unit_test(basic),
		cmocka_unit_test(nobody_cannot_answer_basic),
		cmocka_unit_test(tokens_are_kept_by_scope),
		cmocka_unit_test(many_scopes_do_not_grow),
		cmocka_unit_test(asks_for_tokens),
		cmocka_unit_test(exchanges_identity_tokens),
		cmocka_unit_test(credentials_do_not_leave_tls),
		cmocka_unit_test(refuses_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
