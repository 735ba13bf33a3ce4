// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a container is to have on a network, as it is typed: --network of run and create, and the options of "network
 * connect". Both are written as Docker's EndpointSettings.
 */
#include "cli/container_options.h"
#include "json/writer.h"

typedef struct EndpointOption {
	char *network; /* its name or id; "host", "none", "container:NAME" */
	StringList aliases, links, link_local_ips;
	StringMap driver_options;
	char *ip, *ip6, *mac;
	int64_t priority;
} EndpointOption;

/* "web", or "name=web,alias=a,ip=192.0.2.7,ip6=,mac-address=,link-local-ip=,driver-opt=K=V,gw-priority=1". */
fallible endpoint_option_parse(EndpointOption *ret, const char *text);
void endpoint_option_clear(EndpointOption *option);
DEFINE_AUTOCLEAR(EndpointOption, endpoint_option_clear)
/* "K=V" words, as --driver-opt has them. */
fallible endpoint_option_add_driver_options(EndpointOption *option, const StringList *words);
fallible endpoint_option_set_priority(EndpointOption *option, const char *text);
void endpoint_option_write(Writer *writer, const char *key, const EndpointOption *option);

/* All that run and create have of networks: the first is the container's network mode, and has --ip, --network-alias
 * and the like. */
typedef struct NetworkOptions {
	EndpointOption *items;
	size_t count;
} NetworkOptions;

fallible network_options_read(NetworkOptions *ret, const ContainerOptions *options);
void network_options_clear(NetworkOptions *networks);
DEFINE_AUTOCLEAR(NetworkOptions, network_options_clear)
const char *network_options_mode(const NetworkOptions *networks); /* NULL: none was given */
/* "NetworkingConfig", where it says more than the mode does. */
void network_options_write(Writer *writer, const NetworkOptions *networks);
