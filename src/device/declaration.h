// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A declared container: what a file in containers.d says, in kedge's own words. One table of fields
 * (declaration_fields) reads, writes, compares, and makes the JSON Schema and the tables of the manual; a new option is
 * one line there. Most of a declaration is the ContainerSpec that the engine takes; what has another shape for those
 * who write it, or does not concern the engine, is beside it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "oci/digest.h"
#include "runtime/spec.h"
#include "json/fields.h"

enum { DECLARATION_MAX = 1 << 20, DECLARED_NAME_MAX = 128 };

typedef enum PullWhen { PULL_MISSING, PULL_ALWAYS, PULL_NEVER, PULL_WHENS } PullWhen;
extern const char *const pull_when_names[PULL_WHENS];

/* A secret: either in the clear, as somebody wrote it, or sealed (device/seal.h). Never shown, never compared. */
typedef struct DeclaredRegistry {
	char *host; /* NULL: the image's */
	char *username, *password, *sealed;
} DeclaredRegistry;

typedef struct DeclaredDevice {
	char *path; /* on the host, or the full name of a CDI device: "vendor.com/class=name" */
	char *target, *permissions;
	bool optional; /* left out, with a note, where it is not there */
} DeclaredDevice;

typedef struct DeclaredGpus {
	int64_t count; /* -1: all; 0: those of ids */
	StringList ids;
	bool optional;
} DeclaredGpus;

typedef enum DependsWhen { DEPENDS_STARTED, DEPENDS_HEALTHY, DEPENDS_COMPLETED, DEPENDS_WHENS } DependsWhen;
extern const char *const depends_when_names[DEPENDS_WHENS];

typedef struct Dependency {
	char *name;
	int condition; /* DependsWhen */
} Dependency;

typedef struct DeclaredSignature {
	char *trust_anchor;
	bool verify_transparency_log;
	char *enforcement_digest; /* pinned: allowed beside the allow-list */
} DeclaredSignature;

typedef struct DeclaredIdentity {
	bool enabled;
	StringList permissions;
	int64_t access_token_ns, refresh_token_ns;
} DeclaredIdentity;

typedef struct Declaration {
	char *name;
	bool enabled;

	int pull;             /* PullWhen */
	int64_t pull_retries; /* further tries; 0: without end */
	int64_t pull_interval_ns, pull_timeout_ns;
	DeclaredRegistry registry;

	ContainerSpec spec;
	StringList env_files;  /* read when the container is made */
	StringList tmpfs;      /* "TARGET[:OPTIONS]" */
	FieldArray devices;    /* DeclaredDevice */
	DeclaredGpus *gpus;    /* NULL: none */
	int64_t stop_grace_ns; /* -1: the engine's default */

	FieldArray depends_on; /* Dependency */
	int64_t probation_ns;
	DeclaredSignature signature;
	DeclaredIdentity identity;
} Declaration;

extern const Field declaration_fields[];

void declaration_init(Declaration *declaration); /* the defaults */
void declaration_clear(Declaration *declaration);
DEFINE_AUTOCLEAR(Declaration, declaration_clear)
void declaration_copy(Declaration *to, const Declaration *from);

/*
 * Reads kedge's own form strictly: an unknown field, a bad value or one that contradicts another is ERROR_INVALID, and
 * named. name: what the container is called where the document does not say it (the file's name without its ending);
 * both must agree. NULL: the document must say it. ret is replaced; untouched on failure.
 */
fallible declaration_read(Declaration *ret, const Value *document, const char *name);
/* The canonical form: fields that have their default are not in it. It has the password as it is: see seal.h. */
void declaration_write(const Declaration *declaration, Writer *writer, const char *key);
Value *declaration_value(const Declaration *declaration); /* the same, as a Value */
/* Without password and sealed text; what is hidden is seen to be there: "password": "(hidden)". */
Value *declaration_shown(const Declaration *declaration);
fallible declaration_check_name(const char *name);

/* ---- comparing ---- */

typedef enum DeclaredChange {
	DECLARED_SAME,     /* for the container; what is about pulling it may differ */
	DECLARED_UPDATE,   /* container_update() does it */
	DECLARED_RECREATE, /* another container */
	DECLARED_CHANGES
} DeclaredChange;

/* Adds the names of the fields that differ (also of those that the container has nothing of) to ret_names. */
DeclaredChange declaration_compare(StringList *ret_names, const Declaration *from, const Declaration *to);
/* Of the canonical form of what the container is made from: not of enabled, pull..., registry, dependsOn, probation,
 * signature, identity, and not of what container_update() does. */
void declaration_digest(Digest *ret, const Declaration *declaration);

/* ---- the container ---- */

#define DECLARED_LABEL "kedge.declared"               /* its name */
#define DECLARED_DIGEST_LABEL "kedge.declared.digest" /* declaration_digest() */
#define DECLARED_FIELDS_LABEL "kedge.declared.fields" /* "image=1a2b3c4d,...": which field it is that differs */
#define DECLARED_LIMITS_LABEL "kedge.declared.limits" /* of what it was made with: a kernel may not have a limit */

/*
 * What container_create() takes: labels, tmpfs, devices and networks in their places, files of variables read. notes:
 * what was left out because it is optional and not there. An enabled declaration that asks for what kedge does not do
 * (signatures, identities) is ERROR_UNSUPPORTED: it must not run as if that were absent.
 */
fallible declaration_spec(ContainerSpec *ret, const Declaration *declaration, StringList *ret_notes);
/*
 * Whether a container is what is declared, and what differs. One that we made tells by its labels; another one
 * "matches" when its spec is what the declaration gives with the same image (image: its configuration; may be NULL
 * where have has our labels). want is from declaration_spec().
 */
DeclaredChange declaration_compare_container(StringList *ret_names, const Declaration *declaration,
	const ContainerSpec *want, const ContainerSpec *have, const ImageConfig *image);
