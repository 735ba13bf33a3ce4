// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Changes of a document: an object of fields, whose errors are the caller's to find when it reads what came of it. */
#include "json/value.h"

typedef Error *PatchReader(Value *document, const Value *body);

/* A merge patch. Source: RFC 7396. */
fallible patch_merge(Value *document, const Value *body);
/* Fields by their paths, as people write them: {"registry.host": "x", "command": "[sleep, 7]"}. Each text is YAML; an
 * empty one takes the field away. */
fallible patch_fields(Value *document, const Value *body);
