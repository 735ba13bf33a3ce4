// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Instructions of a Dockerfile that change what an image runs, for `import --change`: CMD, ENTRYPOINT, ENV, EXPOSE,
 * HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. Source: Dockerfile reference; moby
 * builder/dockerfile.
 */
#include "oci/image_config.h"

enum { CHANGE_MAX = 64 << 10 };

fallible image_config_change(ImageConfig *config, const char *instruction);
