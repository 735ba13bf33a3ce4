// SPDX-License-Identifier: Apache-2.0
/* What is accepted has valid layer digests, and is written and read back as the same. */
#include "oci/digest.h"
#include "oci/image_config.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(ImageConfig) config = {0}, again = {0};
	autoclear(Buffer) text = {0};
	Writer writer;
	Digest digest;

	Error *error = image_config_parse(&config, (const char *)data, size);
	if (error) {
		error_free(error);
		return 0;
	}
	for (size_t i = 0; i < config.diff_ids.count; i++)
		must_hold(!digest_parse(&digest, config.diff_ids.items[i]));
	writer_init(&writer, &text);
	fields_write(image_config_fields, &config, &writer, NULL);
	must_hold(!image_config_parse(&again, buffer_text(&text), text.length));
	must_hold(fields_equal(image_config_fields, &config, &again));
	return 0;
}
