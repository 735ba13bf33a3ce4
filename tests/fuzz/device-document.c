// SPDX-License-Identifier: Apache-2.0
/* A file of a declared container, in any form: what is read is written canonically, and read back as the same. */
#include <string.h>

#include "base/memory.h"
#include "device/document.h"

#include "fuzz.h"

static void check_round_trip(const Declaration *declaration)
{
	autoptr(Value) value = declaration_value(declaration);
	autoclear(Declaration) again;
	autoclear(StringList) names = {0};

	declaration_init(&again);
	must_hold(value);
	must_hold(!declaration_read(&again, value, NULL));
	must_hold(declaration_compare(&names, declaration, &again) == DECLARED_SAME && !names.count);
}

/* Files of the device are not read here. */
static void check_spec(Declaration *declaration)
{
	autoclear(ContainerSpec) spec;
	autoclear(StringList) notes = {0}, names = {0};

	strings_clear(&declaration->env_files);
	strings_clear(&declaration->spec.security_options);
	container_spec_init(&spec);
	Error *error = declaration_spec(&spec, declaration, &notes);
	if (error) {
		error_free(error); /* what is not available */
		return;
	}
	must_hold(declaration_compare_container(&names, declaration, &spec, &spec, NULL) == DECLARED_SAME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(Declaration) declaration;
	autoclear(StringList) notes = {0};
	autofree char *text = mem_strndup((const char *)data, size), *replaced = NULL;

	declaration_init(&declaration);
	Error *error = document_parse(&declaration, &notes, &replaced, NULL, text, strlen(text), "name");
	if (error) {
		error_free(error);
		return 0;
	}
	check_round_trip(&declaration);
	check_spec(&declaration);
	return 0;
}
