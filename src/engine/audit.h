// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the admission door has decided, a line of JSON each: <root>/audit.log and, of twice AUDIT_FILE_MAX at most,
 * audit.log.1 before it. A refusal and a removal are on disk when they are told; the rest is when the kernel likes. No
 * file is made before there is something to say.
 */
#include <stdint.h>

#include "json/fields.h"

enum { AUDIT_FILE_MAX = 1 << 20, AUDIT_LINE_MAX = 16 << 10 };

typedef struct Audit Audit;

typedef struct AuditEntry {
	char *time;     /* RFC 3339, by the wall clock */
	char *engine;   /* another one on this device, that has the container: "docker"; NULL: ours */
	char *decision; /* "admit", "warn", "deny", "remove", "removed", "keep", "stop" */
	char *door;     /* "create", "start", "restart", "unpause", "exec", "pass" */
	char *container, *name, *image;
	StringList digests;
	char *rule, *reason; /* NULL: admitted */
} AuditEntry;

extern const Field audit_entry_fields[];

Audit *audit_new(const char *directory);
Audit *audit_free(Audit *audit);
/* What cannot be written is logged: a decision stands without its line. The time is filled in here. */
void audit_write(Audit *audit, const AuditEntry *entry, bool is_durable);
/* The last `count` of them, oldest first: AuditEntry; the caller clears it with audit_entries_clear(). Torn lines are
 * left out. */
fallible audit_read(FieldArray *ret, const Audit *audit, size_t count);
void audit_entries_clear(FieldArray *entries);
