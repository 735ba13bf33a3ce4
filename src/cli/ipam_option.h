// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * --subnet, --ip-range, --gateway and --aux-address of "network create", which are typed side by side, into the API's
 * "IPAM", which has them by subnet. Source: docker's own program, cli/command/network/create.go.
 */
#include "json/writer.h"

typedef struct IpamOptions {
	StringList subnets, ranges, gateways, auxiliary; /* auxiliary: "NAME=ADDRESS" */
	StringList options;                              /* "NAME=VALUE" */
	char *driver;
} IpamOptions;

/* Writes "IPAM". ERROR_INVALID names what belongs to no subnet, or what a subnet has twice. */
fallible ipam_options_write(Writer *writer, const IpamOptions *options);
