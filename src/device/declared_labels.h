// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The labels by which a container tells what it was made from. */
#include "device/declaration.h"

void declared_labels_put(StringMap *labels, const Declaration *declaration);
/* Adds the names of the fields that are not as the label (DECLARED_FIELDS_LABEL) has them. */
void declared_labels_differ(StringList *ret_names, const char *label, const Declaration *declaration);
void declared_limits_digest(Digest *ret, const Declaration *declaration);

/* What a change of a field means for the container. */
typedef enum FieldEffect {
	EFFECT_NONE,     /* it is about pulling, order, permission */
	EFFECT_LIMIT,    /* container_update() does it, unless a limit is taken away */
	EFFECT_RESTART,  /* container_update() does it */
	EFFECT_RECREATE, /* all others */
} FieldEffect;
FieldEffect declared_field_effect(const char *name);
