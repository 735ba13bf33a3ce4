// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Other people's documents into declarations, for `kedge convert`: pure, nothing is looked up but what is handed in. */
#include "device/declaration.h"

enum { CONVERTED_MAX = 1024 };

/* One container of a document. */
typedef struct Converted {
	char *name;              /* as the document has it */
	Declaration declaration; /* valid without a problem */
	StringList notes;        /* what was not carried over */
	char *problem;           /* why there is no declaration; NULL: there is */
} Converted;

typedef struct ConvertedList {
	Converted *items;
	size_t count;
} ConvertedList;

/* Owned by the list; pointers to others are void afterwards. */
Converted *converted_add(ConvertedList *list, const char *name);
void converted_fail(Converted *converted, Error *take_error);
void converted_clear(ConvertedList *list);
DEFINE_AUTOCLEAR(ConvertedList, converted_clear)

bool compose_is(const Value *document);
/*
 * The services of a compose file. directory: what its relative paths are of; NULL: they are a problem of their service.
 * Variables have no values here but their defaults, which is noted. Source: compose specification, 05-services.md.
 */
fallible compose_convert(ConvertedList *ret, const Value *document, const char *directory);
