// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The parts of a ContainerSpec that say which networks a container is on, and which of its ports are published. */
#include <stdbool.h>
#include <stdint.h>

#include "base/strings.h"
#include "json/fields.h"

/* What a container asks of one network. */
typedef struct EndpointSpec {
	char *network;      /* the network's id; until the container is made: as the caller named it */
	StringList aliases; /* names beside the container's own, on this network */
	StringList links;   /* "CONTAINER:ALIAS" */
	char *ipv4, *ipv6;  /* NULL: any that is free */
	StringList link_local;
	char *mac;         /* NULL: one is made up at each start */
	StringMap options; /* the driver's */
	int64_t priority;  /* the container's way out is through the network that has most of it */
} EndpointSpec;

typedef enum Protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP, PROTOCOLS } Protocol;
extern const char *const protocol_names[PROTOCOLS]; /* "tcp", "udp", "sctp" */

/* A port of the container that can be reached at the host. */
typedef struct PortSpec {
	int64_t port;
	int protocol;                     /* Protocol */
	char *host_address;               /* NULL: every address of the host */
	int64_t host_port, host_port_end; /* the first that is free of a range; 0: any that is free */
} PortSpec;

extern const Field endpoint_spec_fields[], port_spec_fields[];

/* "80/tcp", "80", "53/udp"; ERROR_INVALID names what is wrong. */
fallible port_parse(int64_t *ret_port, int *ret_protocol, const char *text);
