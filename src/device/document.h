// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A file of declared containers, in any of the forms that are accepted as they are. */
#include "device/declaration.h"
#include "device/seal.h"

typedef enum DocumentForm { DOCUMENT_KEDGE, DOCUMENT_KURA, DOCUMENT_KANTO, DOCUMENT_FORMS } DocumentForm;
extern const char *const document_form_names[DOCUMENT_FORMS]; /* "kedge", "kura", "kanto" */

DocumentForm document_form(const Value *document); /* kedge's own, where it is none of the others */
/* name: where the document says none; may be NULL. ret is replaced; untouched on failure. ret_notes: what was not
 * carried over, or means something else than it seems to. */
fallible document_read(
	Declaration *ret, StringList *ret_notes, DocumentForm form, const Value *document, const char *name);
/*
 * The text of a file, YAML or JSON. With a key, a password in the clear is sealed: *ret_text is then what the file is
 * to have in its place, in the same form (comments are not kept), and NULL else.
 */
fallible document_parse(Declaration *ret, StringList *ret_notes, char **ret_text, const SealKey *key, const char *text,
	size_t length, const char *name);
