// SPDX-License-Identifier: Apache-2.0
/* A result that is accepted can be told to the next plugin in any version, and means the same there. */
#include <string.h>

#include "cni/result.h"

#include "fuzz.h"

static void try_version(const CniResult *result, const char *version)
{
	autoptr(Value) document = cni_result_as(result->document, version);
	autoclear(CniResult) again = {0};

	must_hold(!cni_result_read(&again, document));
	must_hold(again.addresses.count == result->addresses.count && again.routes.count == result->routes.count);
	must_hold(again.interfaces.count == result->interfaces.count && !strcmp(again.version, version));
}

static void try_result(const char *text, size_t size)
{
	autoclear(CniResult) result = {0};
	Error *error = cni_result_parse(&result, text, size);

	if (!error) {
		must_hold(result.addresses.count <= CNI_RESULT_ITEMS_MAX);
		cni_result_mac(&result, "eth0");
		cni_result_has_address(&result, "10.0.0.1");
		try_version(&result, "0.3.1");
		try_version(&result, "1.0.0");
	}
	error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	autofree char *versions = NULL;
	bool has = false;

	try_result(text, size);
	error_free(cni_error_parse(text, size));
	error_free(cni_versions_parse(&has, &versions, text, size, "1.0.0"));
	return 0;
}
