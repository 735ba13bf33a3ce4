// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a container that is made anew has of the one before it: its volumes without a name. They would begin empty else,
 * and their data go with the old container. Both share them until one of the two is removed, so that a replacement that
 * is taken back loses nothing either.
 */
#include "oci/image_config.h"
#include "runtime/spec.h"

/* Where spec, or the volumes of its image, still have a volume without a name at the place of one of before's. */
void inherit_volumes(ContainerSpec *spec, const ContainerSpec *before, const ImageConfig *image);
