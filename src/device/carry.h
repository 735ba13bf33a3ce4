// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Converting other documents into declarations: a document in kedge's own form is built, member by member, and read by
 * declaration_read(), so that every check is that of a declaration. What has no place is a note.
 */
#include "base/strings.h"
#include "json/value.h"

typedef struct Carried {
	const char *from, *to; /* dotted paths */
} Carried;

/* Null, "", 0, false, [] and {}. */
bool says_nothing(const Value *value);
void value_set_path(Value *object, const char *dotted, Value *take); /* makes the objects between */
/* What says something, as it is; the table ends with NULL. */
void carry(Value *to, const Value *from, const Carried *table);
/* A note for each member that neither the table nor `known` (ends with NULL) names: "<where>\"x\" is left out". */
void note_others(StringList *notes, const Value *from, const char *where, const char *const *known);
