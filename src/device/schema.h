// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What field tables say of themselves: as a JSON Schema, for editors, forms and who checks documents elsewhere, and as
 * tables for the manual. Both are made of the tables that read the documents, so that they cannot differ from them.
 */
#include "json/fields.h"

Value *schema_of_declaration(void); /* JSON Schema 2020-12 */
Value *schema_of_service(void);
void schema_tables(Buffer *out); /* Markdown: the fields of a declaration, then those of its parts */
