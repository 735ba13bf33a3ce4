// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One repository at one registry (OCI distribution spec; Docker registry API v2): finds out whether it speaks HTTPS,
 * authenticates, follows redirects, and turns refusals into errors that a user can act on. Credentials go to the
 * registry and to the token server that it names, to no other host, and without TLS only where the registry itself has
 * none.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "fetch/access.h"
#include "fetch/registry/http.h"
#include "fetch/registry/trust.h"
#include "oci/reference.h"

typedef struct Registry Registry;

typedef struct RegistryOptions {
	int64_t retries, retry_interval_ms; /* of small documents: manifests, configurations, tokens */
	int64_t stall_timeout_s;
} RegistryOptions;

/* access, reference and trust are borrowed. */
fallible registry_new(Registry **ret, Loop *loop, const RegistryAccess *access, const Reference *reference,
	Trust *trust, const RegistryOptions *options);
Registry *registry_free(Registry *registry); /* after its calls */
DEFINE_AUTOPTR(Registry, registry_free)
bool registry_has_answered(const Registry *registry); /* anything at all, at any time */
/* Tokens for mounts allow to read that repository too; those for pushes do not ask for it, in case it is refused. */
void registry_also_read(Registry *registry, const char *repository);
/* For a login, before the first call; see auth_ask_identity(). */
void registry_ask_identity(Registry *registry);
const char *registry_identity_token(const Registry *registry);
const Reference *registry_reference(const Registry *registry);

/* ---- calls ---- */

typedef enum RegistryRight { RIGHT_NONE, RIGHT_PULL, RIGHT_PUSH, RIGHT_MOUNT, RIGHTS } RegistryRight;

typedef struct Call Call;

/* What the owner sets between call_new() and call_start(). */
typedef struct CallSpec {
	HttpRequest request; /* all but url; sink and sent are called with the call's arg */
	RegistryRight right;
	int accepted_status; /* besides 2xx: no error; 0: none */
	bool is_document;    /* small and idempotent: tried again by itself when the connection breaks or the server
				stumbles */
} CallSpec;

/* target: "manifests/latest" (below the repository), "/v2/" (at the registry), or a URL. done may free the call; answer
 * is the call's. */
Call *call_new(Registry *registry, const char *method, const char *target, HttpDone *done, void *arg);
CallSpec *call_spec(Call *call);
void call_start(Call *call);
Call *call_free(Call *call); /* cancels; not from a sink */
DEFINE_AUTOPTR(Call, call_free)
const char *call_url(const Call *call); /* where the answer came from */
