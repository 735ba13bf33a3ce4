// SPDX-License-Identifier: Apache-2.0
/* Values of log options, as callers of the API give them. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "telemetry/address.h"
#include "telemetry/options.h"
#include "telemetry/tag.h"

static void read_address(const char *text)
{
	autoclear(LogAddress) address = {0};
	Error *error = log_address_parse(&address, text, &log_address_syslog);

	must_hold(error || !!address.path != (address.host && address.port));
	error_free(error);
}

static void read_tag(const char *text)
{
	autofree char *tag = NULL;
	Error *error = log_tag_expand(&tag, text, NULL);

	must_hold(error || strlen(tag) <= LOG_TAG_MAX);
	error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = mem_strndup((const char *)data, size);
	autoclear(StringMap) options = {0};

	read_address(text);
	read_tag(text);
	map_set(&options, "syslog-facility", text);
	map_set(&options, "labels-regex", "a");
	error_free(log_options_check("syslog", &options));
	return 0;
}
