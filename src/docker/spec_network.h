// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Networks and ports of a new container, in Docker's words and back: EndpointSettings, PortBindings, Links. Source:
 * moby api/types/network (EndpointSettings), go-connections nat (PortMap).
 */
#include "engine/container.h"
#include "json/writer.h"

const char *network_mode_shown(const ContainerSpec *spec); /* "default" when none was given */
bool network_is_default(const ContainerSpec *spec);
/* The one of "host" and "none" that a container is on; NULL: it has networks of its own, or another container's. */
const char *network_builtin_of(const ContainerSpec *spec);

/* "EndpointConfig" of a connect, or one of "EndpointsConfig": what is asked; what an engine has answered once, and
 * comes back from an inspect, is passed over. null: nothing. ret->network is left alone. */
fallible endpoint_settings_read(EndpointSpec *ret, const Value *settings);
/* "NetworkingConfig.EndpointsConfig": an EndpointSpec each, but for "host", "none" and "container:ID", of which nothing
 * can be asked. */
fallible endpoints_config_read(FieldArray *ret, const Value *config);
/* "HostConfig.PortBindings" */
fallible port_bindings_read(FieldArray *ret, const Value *bindings);

/* "HostConfig.Links", as "CONTAINER:ALIAS" */
fallible links_read(StringList *ret, const StringList *links);

void write_port_bindings(Writer *writer, const ContainerSpec *spec);
/* "Links" of the default network, as "/other:/name/alias"; null without any. name: the container's. */
void write_host_links(Writer *writer, const ContainerSpec *spec, const char *name);
