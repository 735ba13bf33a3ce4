// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What another engine says of its containers, read from its documents: the list, a container, an image, events. Pure.
 * What lacks something that is judged by is an error, never an answer with a hole in it. Source: Docker's Engine API,
 * as Docker and podman have it.
 */
#include "base/buffer.h"
#include "json/fields.h"
#include "json/value.h"

enum { EXTERNAL_ID_LENGTH = 64 };

bool external_is_id(const char *text); /* 64 hex digits: nothing else goes into a path unasked */

typedef struct ExternalPort {
	char *ip, *type;
	int64_t private_port, public_port; /* public 0: it is not published */
} ExternalPort;

extern const Field external_port_fields[]; /* as we write them */

/* An item of GET /containers/json. */
typedef struct ExternalListed {
	char *id, *name, *image, *image_id, *state, *status;
	int64_t created; /* seconds */
	FieldArray ports;
} ExternalListed;

/* *ret is untouched on failure. *ret_id, owned: its Id, also of one that fails; NULL: it has none. */
fallible external_listed_read(ExternalListed *ret, char **ret_id, const char *item, size_t length);
void external_listed_clear(ExternalListed *listed);
DEFINE_AUTOCLEAR(ExternalListed, external_listed_clear)

/* ---- the list ---- */
enum { EXTERNAL_ITEM_MAX = 1 << 20 };

/* It comes in pieces, and is cut into its items: none of them spoils the others, and nothing but one is kept. What
 * stands between them is not counted: "[{}{},,]" is a list of two. */
typedef struct ExternalItems {
	Buffer item;
	int depth;
	bool is_in_string, is_escaped;
	bool is_over; /* its end has come */
	bool is_none; /* it is no list of objects: nothing more is read of it */
} ExternalItems;

/* Of an item that is longer than EXTERNAL_ITEM_MAX, the beginning. A handler may not clear the items. */
typedef void ExternalItemHandler(void *arg, const char *item, size_t length);
void external_items_feed(
	ExternalItems *items, const char *bytes, size_t length, ExternalItemHandler *handler, void *arg);
fallible external_items_end(const ExternalItems *items); /* nothing more comes: was that a list? */
void external_items_clear(ExternalItems *items);

/* ---- a container ---- */

/* What a container is judged by, and what is known of it beside: of GET /containers/{id}/json and of its image's
 * GET /images/{id}/json. */
typedef struct ExternalFacts {
	char *id, *name;
	char *image;          /* as it was asked for */
	char *image_id;       /* "sha256:..." */
	char *state, *health; /* health NULL: nobody looks after it */
	bool is_privileged;
	char *network_mode;
	StringList capabilities;
	StringList digests;       /* of the image: its id, and those under which registries have it */
	StringList tags, origins; /* of the image: "busybox:latest", "busybox@sha256:..." */
	bool is_image_unknown;    /* its document was refused: its id is all that is known */
} ExternalFacts;

/* The container's document; of its image the id alone is known by that. Replaces what *ret held. */
fallible external_facts_read(ExternalFacts *ret, const Buffer *document);
fallible external_facts_read_image(ExternalFacts *facts, const Buffer *document); /* adds what the image's says */
/* Takes over what earlier ones have of the same image. */
void external_facts_keep_image(ExternalFacts *facts, const ExternalFacts *earlier);
/* Where its image is asked for; owned. NULL: it has none (podman: a directory instead). */
char *external_image_target(const ExternalFacts *facts);
void external_facts_clear(ExternalFacts *facts);
DEFINE_AUTOCLEAR(ExternalFacts, external_facts_clear)

/* ---- events ---- */
enum { EXTERNAL_LINE_MAX = 256 << 10 };

/* A stream that is cut into lines. */
typedef struct ExternalLines {
	Buffer line;
	bool is_too_long; /* the rest of this one is left out */
} ExternalLines;

/* line NULL: it was longer than EXTERNAL_LINE_MAX. A handler may not clear the lines. */
typedef void ExternalLineHandler(void *arg, const char *line, size_t length);
void external_lines_feed(
	ExternalLines *lines, const char *bytes, size_t length, ExternalLineHandler *handler, void *arg);
void external_lines_clear(ExternalLines *lines);

typedef enum ExternalEvent {
	EXTERNAL_NO_CHANGE, /* of nothing that is judged or shown */
	EXTERNAL_CONTAINER,
	EXTERNAL_IMAGES, /* any container may have another verdict by now */
} ExternalEvent;

/* *ret_id: the container's, owned. An error: it says nothing that can be understood. */
fallible external_event_read(ExternalEvent *ret, char **ret_id, const char *line, size_t length);
