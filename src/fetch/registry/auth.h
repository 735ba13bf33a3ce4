// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Authentication at a registry: what a 401 asks for, and what is sent with requests. No I/O: fetch/registry/registry.h
 * carries out the token request. Sources: RFC 9110 section 11, distribution's docs/spec/auth/{token,oauth}.md. Tokens
 * are kept by scope until shortly before they run out.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strings.h"
#include "fetch/access.h"
#include "fetch/registry/http.h"

/* ---- the header WWW-Authenticate ---- */

typedef enum ChallengeScheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER } ChallengeScheme;

typedef struct Challenge {
	ChallengeScheme scheme;
	char *realm, *service, *scope; /* may be NULL */
} Challenge;

/* The best challenge of a header value that may hold several: bearer with a realm, then basic. */
void challenge_parse(Challenge *ret, const char *header);
void challenge_clear(Challenge *challenge);
DEFINE_AUTOCLEAR(Challenge, challenge_clear)

/* ---- the state of one registry ---- */

typedef struct Auth Auth;

typedef enum AuthStep {
	AUTH_AGAIN,  /* send the request again, with auth_value() */
	AUTH_TOKEN,  /* fetch a token first */
	AUTH_DENIED, /* nothing left to try */
} AuthStep;

Auth *auth_new(const RegistryAccess *access); /* borrowed */
Auth *auth_free(Auth *auth);
DEFINE_AUTOPTR(Auth, auth_free)

bool auth_has_credentials(const Auth *auth);
/* "Basic ..." or "Bearer ...", owned; NULL when nothing is known to be wanted. */
char *auth_value(const Auth *auth, const char *scope);
/* After a 401: sent is the value that was refused, NULL if none was sent. */
AuthStep auth_refused(Auth *auth, const char *scope, const char *sent, const StringList *challenges);
/* The request for a token of that scope. Credentials go over HTTP only if the registry itself is plain. */
fallible auth_token_request(const Auth *auth, const char *scope, bool registry_is_plain, HttpRequest *ret);
fallible auth_token_answer(Auth *auth, const char *scope, const char *text, size_t length);

/* For a login: tokens are asked for with one that takes the password's place from then on. */
void auth_ask_identity(Auth *auth);
const char *auth_identity_token(const Auth *auth); /* that the token server gave; NULL: none */
