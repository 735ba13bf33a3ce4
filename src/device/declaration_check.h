// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What of a declaration the field tables cannot check, and the steps that all forms of it go through. */
#include "device/declaration.h"

/* Engine's checks of values, in the words of a declaration; what only the moment of creation can tell is not among
 * them. */
fallible declaration_check(const Declaration *declaration);
fallible declaration_check_network(const Declaration *declaration); /* a part of it */
/* The engine's error about a field in the words of a declaration. Takes the error. */
fallible declaration_error(Error *error);
/* One form for everything that can be said in several ways; the name; declaration_check(). */
fallible declaration_settle(Declaration *declaration, const char *name);

typedef struct FieldName {
	const char *from, *to;
} FieldName;

/* Takes an error, gives it back with another name for the field that it is about, where the table has one (ends with
 * NULL): `field "x" ...` becomes `<noun> "y" ...`. */
fallible error_rename_field(Error *error, const char *noun, const FieldName *names);
