// SPDX-License-Identifier: Apache-2.0
#pragma once
/* GET /containers/json: straight from the engine's memory into the answer, for a thousand containers as for one. */
#include "docker/container_sizes.h"
#include "docker/internal.h"

void write_container_summary(
	Writer *writer, const DockerApi *api, const Container *container, const ContainerSizes *sizes);
void list_containers(HttpRequest *request, void *context);
