// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Just enough of an image's name for the command line: which registry's credentials belong to it, and which tag
 * Docker's words leave out. Whether a name is right is the daemon's to say.
 */
#include "base/cleanup.h"

typedef struct ImageName {
	char *registry; /* "docker.io", "localhost:5000" */
	char *name;     /* without tag and digest, as written */
	char *tag;      /* tag or digest ("sha256:..."); NULL without one */
} ImageName;

void image_name_split(ImageName *ret, const char *text);
void image_name_clear(ImageName *name);
DEFINE_AUTOCLEAR(ImageName, image_name_clear)
