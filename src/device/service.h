// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The service's own options (/etc/kedge/service.yaml): whether declared containers are kept at all, another engine that
 * is looked after as well, and enforcement. Also read as Kura has them (ContainerOrchestrationService: "enabled",
 * "container.engine.host", "enforcement.enabled", "enforcement.allowlist"), with its default, which is off.
 */
#include "policy/policy.h"
#include "json/fields.h"

enum { SERVICE_MAX = 8 << 20 }; /* bytes of the file: an allow-list with names has 65536 entries in it */

typedef struct Service {
	bool enabled;     /* false: all managed containers are removed, their declarations stay */
	char *engine_url; /* "unix:///...", "tcp://..."; NULL: none */
	PolicyConfig enforcement;
} Service;

extern const Field service_fields[];

void service_init(Service *service); /* no file: enabled, no enforcement */
void service_clear(Service *service);
DEFINE_AUTOCLEAR(Service, service_clear)
void service_copy(Service *to, const Service *from);
bool service_equal(const Service *a, const Service *b);

/* ret is replaced; untouched on failure. Errors name the field, or Kura's property. */
fallible service_read(Service *ret, const Value *document);
/* Whether a document, in either form, says if enforcement is on. */
bool service_says_enforced(const Value *document);
fallible service_parse(Service *ret, const char *text, size_t length); /* YAML or JSON */
Value *service_value(const Service *service);                          /* the canonical form */
