// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `docker inspect` prints of containers, as declarations: read as the body that would make the same container, and
 * without what is only there because of the image or the engine that printed it.
 */
#include "device/convert.h"
#include "oci/image_config.h"

/* Gives an image's configuration; an Error where it is not there. */
typedef Error *InspectedImage(void *arg, ImageConfig *ret, const char *name);

bool inspected_is(const Value *document); /* an object with Config and HostConfig, or a list of such */
fallible inspected_convert(ConvertedList *ret, const Value *document, InspectedImage *image, void *arg);
