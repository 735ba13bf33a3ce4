// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One question to a registry, asked by a kedge-fetch of its own: are these credentials good, what does this name stand
 * for, what is there. Nothing is kept here; more than LOOKUPS_MAX at a time are refused. Freeing a Lookup, at any time,
 * ends the process; done may free it.
 */
#include "engine/image.h"

enum { LOOKUPS_MAX = 16 }; /* at a time: each is a process */

typedef struct Lookup Lookup;

typedef struct LookupAnswer {
	const char *identity_token; /* login: takes the password's place; NULL: the registry gave none */
	const FetchedImage *image;  /* describe: an index comes without a configuration */
	const char *text;           /* search: JSON of a stranger */
	size_t length;
} LookupAnswer;

/* Once, from the loop; answer is borrowed, NULL with an error. */
typedef void LookupDone(void *arg, Error *take_error, const LookupAnswer *answer);

fallible lookup_login(Lookup **ret, Engine *engine, const char *registry, const ImageCredentials *credentials,
	LookupDone *done, void *arg);
fallible lookup_describe(Lookup **ret, Engine *engine, const Reference *reference, const ImageCredentials *credentials,
	LookupDone *done, void *arg);
fallible lookup_search(Lookup **ret, Engine *engine, const char *registry, const char *term, int64_t limit,
	const ImageCredentials *credentials, LookupDone *done, void *arg);
Lookup *lookup_free(Lookup *lookup);
DEFINE_AUTOPTR(Lookup, lookup_free)
