// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One specification of the Container Device Interface: devices of a kind ("vendor.com/class"), each with the edits to
 * a container that give it the device. JSON or YAML, versions 0.3.0 to 0.8.0 and 1.0.0, whose documents are the same.
 * Whatever is not known is an error: half of a device is none. Source: cncf-tags/container-device-interface, SPEC.md.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/strings.h"
#include "json/fields.h"

typedef struct CdiNode {
	char *path;              /* in the container */
	char *host_path;         /* NULL: the same */
	char *type;              /* "c", "u", "b"; NULL: the host's */
	int64_t major, minor;    /* 0, 0: the host's */
	char *permissions;       /* NULL: "rwm" */
	Value *mode, *uid, *gid; /* NULL: the host's; of the user and group: those of the container's process */
} CdiNode;

typedef struct CdiMount {
	char *host_path, *container_path;
	char *type; /* NULL: a bind */
	StringList options;
} CdiMount;

typedef struct CdiHook {
	char *name; /* "createContainer", ... */
	char *path;
	StringList args, env;
	int64_t timeout_s; /* 0: none */
} CdiHook;

typedef struct CdiEdits {
	StringList env;
	FieldArray nodes;  /* CdiNode */
	FieldArray mounts; /* CdiMount */
	FieldArray hooks;  /* CdiHook */
	Value *gids;       /* array of numbers; NULL: none */
	Value *rdt;        /* is refused */
} CdiEdits;

void cdi_edits_clear(CdiEdits *edits);
DEFINE_AUTOCLEAR(CdiEdits, cdi_edits_clear)
void cdi_edits_add(CdiEdits *to, const CdiEdits *edits); /* behind those that it has */

typedef struct CdiDevice {
	char *name;
	StringMap annotations;
	CdiEdits edits;
} CdiDevice;

typedef struct CdiSpec {
	char *version, *kind;
	StringMap annotations;
	FieldArray devices; /* CdiDevice */
	CdiEdits edits;     /* with any of its devices */
} CdiSpec;

enum { CDI_SPEC_MAX = 1 << 20, CDI_DEVICES_MAX = 1024 };

extern const char *const cdi_hook_names[];
enum { CDI_HOOK_NAMES = 6 };

fallible cdi_spec_parse(CdiSpec *ret, const char *text, size_t length);
void cdi_spec_clear(CdiSpec *spec);
DEFINE_AUTOCLEAR(CdiSpec, cdi_spec_clear)
