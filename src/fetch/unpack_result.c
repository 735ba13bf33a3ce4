// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack_client.h"

void unpack_result_clear(UnpackResult *result)
{
	strings_clear(&result->opaque);
	map_clear(&result->digests);
	*result = (UnpackResult){0};
}
