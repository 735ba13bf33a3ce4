// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Values of Kura's properties: plain ones, or {"type": ..., "value": ...} as its remote configuration writes them, in
 * the document itself or in its "properties". Errors name the property. Where Kura quietly takes the default in the
 * place of a value of the wrong type, that is an error here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/strings.h"
#include "json/value.h"

const Value *kura_properties(const Value *document);      /* borrowed; the document itself without "properties" */
bool kura_has(const Value *properties, const char *name); /* and it is not null */
fallible kura_text(char **ret, const Value *properties, const char *name, const char *otherwise); /* trimmed */
fallible kura_bool(bool *ret, const Value *properties, const char *name, bool otherwise);
fallible kura_int(int64_t *ret, const Value *properties, const char *name, int64_t otherwise, int64_t min);
/* Split at commas, each trimmed, without empty ones. */
fallible kura_list(StringList *ret, const Value *properties, const char *name);
