// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What clients see of the networks of a container: "NetworkSettings" of its inspection, the short form and the "Ports"
 * of a list. A container that runs has addresses and ports; one that does not is shown on the networks that it is to be
 * on.
 */
#include "docker/internal.h"
#include "docker/spec_network.h"
#include "engine/network.h"

void networks_prepare(DockerApi *api);
void networks_clear(DockerApi *api);

const char *network_name(const DockerApi *api, const char *id); /* "" when it is gone */
/* By the name, or by the beginning of the id, of one of its networks. */
bool container_is_on(const DockerApi *api, const Container *container, const char *network);

void write_network_settings(Writer *writer, const DockerApi *api, const Container *container, int version);
void write_network_settings_short(Writer *writer, const DockerApi *api, const Container *container);
void write_ports_listed(Writer *writer, const Container *container);
