// SPDX-License-Identifier: Apache-2.0
#include "device/document.h"

#include <string.h>

#include "base/memory.h"
#include "device/convert.h"
#include "device/kanto.h"
#include "device/kura.h"

const char *const document_form_names[DOCUMENT_FORMS] = {
	[DOCUMENT_KEDGE] = "kedge",
	[DOCUMENT_KURA] = "kura",
	[DOCUMENT_KANTO] = "kanto",
};

DocumentForm document_form(const Value *document)
{
	if (kura_is(document))
		return DOCUMENT_KURA;
	return kanto_is(document) ? DOCUMENT_KANTO : DOCUMENT_KEDGE;
}

fallible document_read(
	Declaration *ret, StringList *ret_notes, DocumentForm form, const Value *document, const char *name)
{
	if (form == DOCUMENT_KURA)
		return kura_read(ret, ret_notes, document, name);
	if (form == DOCUMENT_KANTO)
		return kanto_read(ret, ret_notes, document, name);
	Error *error = declaration_read(ret, document, value_is_null(value_get(document, "name")) ? name : NULL);
	if (!error || !compose_is(document))
		return error;
	return error_hint(error, "\"kedge convert\" makes declarations of the services of a compose file");
}

/* As it was written: JSON where it began as such. */
static char *text_like(const Value *document, const char *text)
{
	autoclear(Buffer) out = {0};

	if (text[strspn(text, " \t\r\n")] == '{') {
		value_write(document, &out);
		buffer_add_char(&out, '\n');
	} else {
		value_write_yaml(document, &out);
	}
	return buffer_steal(&out);
}

static fallible read_sealed(Declaration *ret, StringList *ret_notes, bool *ret_changed, Value *document,
	const SealKey *key, const char *name)
{
	bool changed = false;

	if (key)
		seal_document(&changed, document, key);
	TRY(document_read(ret, ret_notes, document_form(document), document, name));
	*ret_changed = changed;
	return NULL;
}

fallible document_parse(Declaration *ret, StringList *ret_notes, char **ret_text, const SealKey *key, const char *text,
	size_t length, const char *name)
{
	autoptr(Value) document = NULL;
	autoclear(StringList) notes = {0};
	bool changed;

	if (length > DECLARATION_MAX)
		return error_new(ERROR_TOO_LARGE, "a declaration has at most %d bytes", DECLARATION_MAX);
	TRY(value_parse_yaml(&document, text, length));
	if (!value_is_object(document))
		return error_new(ERROR_INVALID, "it is no declaration: an object is wanted, not %s",
			value_is_null(document) ? "nothing" : value_kind_name(document));
	TRY(read_sealed(ret, &notes, &changed, document, key, name));
	strings_clear(ret_notes);
	*ret_notes = notes;
	notes = (StringList){0};
	*ret_text = changed ? text_like(document, text) : NULL;
	return NULL;
}
