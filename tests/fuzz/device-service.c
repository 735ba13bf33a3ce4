// SPDX-License-Identifier: Apache-2.0
/* The service's options, in either form: what is read is written, and read back as the same. */
#include "device/service.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(Service) service, again;

	service_init(&service);
	service_init(&again);
	Error *error = service_parse(&service, (const char *)data, size);
	if (error) {
		error_free(error);
		return 0;
	}
	autoptr(Value) value = service_value(&service);
	must_hold(!service_read(&again, value));
	must_hold(service_equal(&service, &again));
	return 0;
}
