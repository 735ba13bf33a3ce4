// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The networks that every device has: "none" and "host". What a container's network settings look like to clients. */
#include "docker/internal.h"

void networks_prepare(DockerApi *api);
void networks_clear(DockerApi *api);
/* "NetworkSettings" of a container's inspection, or the short form of a list. */
void write_network_settings(Writer *writer, const DockerApi *api, const ContainerView *view, int version);
void write_network_settings_short(Writer *writer, const DockerApi *api, const ContainerView *view);
/* The network that a container is on: a mode that shares another container's has none. */
const char *network_of(const ContainerSpec *spec);
const char *network_mode_shown(const ContainerSpec *spec); /* "default" when none was given */
/* 64 hex digits, the same for the life of the device. */
void network_id(char ret[65], const DockerApi *api, const char *name);
