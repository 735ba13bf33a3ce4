// SPDX-License-Identifier: Apache-2.0
/* Changes to an image's configuration, one a line: whatever is taken makes a configuration that is read back. */
#include <string.h>

#include "oci/change.h"
#include "json/writer.h"

#include "fuzz.h"

static void apply(ImageConfig *config, const char *text)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++)
		error_free(image_config_change(config, lines.items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = strndup((const char *)data, size);
	autoclear(ImageConfig) config = {0}, again = {0};
	autoclear(Buffer) out = {0};
	Writer writer;

	apply(&config, text);
	writer_init(&writer, &out);
	fields_write(image_config_fields, &config, &writer, NULL);
	must_hold(!image_config_parse(&again, out.data, out.length));
	must_hold(again.config.env.count == config.config.env.count);
	must_hold(again.config.command.count == config.config.command.count);
	return 0;
}
