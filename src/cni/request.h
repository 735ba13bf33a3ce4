// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a plugin is told: its part of the configuration list with what the runtime adds, and its environment. What a
 * container asks for goes as runtimeConfig to the plugins that have the capability for it. Source: Container Network
 * Interface Specification 1.0.0, sections 2 and 3; CONVENTIONS.md for the capabilities.
 */
#include "cni/network.h"
#include "json/fields.h"

enum { CNI_INTERFACE_MAX = 15 };

typedef struct CniPort {
	char *protocol; /* "tcp", "udp", "sctp" */
	char *host;     /* address; NULL: any */
	int64_t host_port, container_port;
} CniPort;

/* In bits per second; 0: without a limit. Ingress is towards the container. */
typedef struct CniBandwidth {
	int64_t ingress, egress;
} CniBandwidth;

/* One interface of one container. */
typedef struct CniAttachment {
	char *container;      /* id */
	char *namespace;      /* a path that stays the same until DEL; a symbolic link is fine */
	char *interface;      /* "eth0" */
	FieldArray ports;     /* of CniPort */
	StringList addresses; /* asked for: "10.1.0.5", with or without a prefix */
	char *mac;            /* asked for; NULL: any */
	StringList aliases;
	CniBandwidth bandwidth;
} CniAttachment;

extern const Field cni_attachment_fields[];
void cni_attachment_clear(CniAttachment *attachment);
DEFINE_AUTOCLEAR(CniAttachment, cni_attachment_clear)

typedef enum CniCommand { CNI_ADD, CNI_CHECK, CNI_DEL, CNI_VERSION } CniCommand;
const char *cni_command_name(CniCommand command);

/* Whether the list has plugins for all that is asked for; the error says which capability none of them has. */
fallible cni_request_check(const CniNetwork *network, const CniAttachment *attachment);
/* Owned. previous: the result until now, or NULL. */
char *cni_request_write(
	const CniNetwork *network, size_t index, const CniAttachment *attachment, const Value *previous);
/* path: the plugins' directories, separated by colons. */
void cni_request_environment(StringList *ret, CniCommand command, const CniNetwork *network,
	const CniAttachment *attachment, const char *path);
