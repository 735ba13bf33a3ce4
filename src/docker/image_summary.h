// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An image in a list (GET /images/json, /system/df), and who else uses what it has. */
#include "base/table.h"
#include "engine/image.h"
#include "json/writer.h"

/* image id -> number of containers that stand on it, as a pointer. */
Table *image_users(Engine *engine);
int64_t image_users_of(const Table *users, const Image *image);

/* Which layers several of the images have: for ImageUse. */
Table *image_layers(Image *const *images, size_t count);
/* Bytes of all layers, each counted once. */
int64_t image_layers_bytes(Image *const *images, size_t count);

typedef struct ImageUse {
	const Table *users;  /* of image_users(); NULL: not counted, -1 is shown */
	const Table *layers; /* of image_layers(); NULL: likewise */
} ImageUse;

void write_image_summary(
	Writer *writer, const Image *image, const StringList *tags, const StringList *digests, const ImageUse *use);
