// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Image references as Docker reads them: "busybox" is docker.io/library/busybox:latest. Source: distribution/reference
 * grammar.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/strings.h"
#include "oci/digest.h"

enum { IMAGE_ID_DIGITS_MIN = 2 }; /* fewer are nobody's id */

typedef struct Reference {
	char *registry;   /* "docker.io", "localhost:5000" */
	char *repository; /* "library/busybox" */
	char *tag;        /* NULL without one */
	Digest digest;    /* unset without one */
} Reference;

/* Precise errors: `invalid reference "A/b": repository name must be lower case`. No tag is added. */
fallible reference_parse(Reference *ret, const char *text);
void reference_clear(Reference *reference);
DEFINE_AUTOCLEAR(Reference, reference_clear)
void reference_copy(Reference *to, const Reference *from);
void reference_default_tag(Reference *reference);     /* "latest" where neither tag nor digest is given */
char *reference_name(const Reference *reference);     /* "busybox", "localhost:5000/a": familiar, without tag */
char *reference_familiar(const Reference *reference); /* "busybox:latest", "localhost:5000/a@sha256:..." */
char *reference_full(const Reference *reference);     /* "docker.io/library/busybox:latest" */

/* Of an image's names the one that text means: "busybox" is "busybox:latest", and a digest counts more than a tag.
 * Lent; NULL: it is none of them. */
const char *reference_among(const char *text, const StringList *names);
/* Whether text says an image by its id ("sha256:...", bare, or the beginning of either), rather than by one of its
 * tags: a whole id beats a name, a name beats the beginning of an id, as Docker resolves them. */
bool reference_is_id(const char *text, const char *id, const StringList *tags);
