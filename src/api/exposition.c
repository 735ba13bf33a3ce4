// SPDX-License-Identifier: Apache-2.0
#include "api/exposition.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/strings.h"

static void add_character(Buffer *out, const char *at, size_t size)
{
	if (size == 0)
		buffer_add_text(out, "\xef\xbf\xbd");
	else if (*at == '\n')
		buffer_add_text(out, "\\n");
	else if (*at == '"' || *at == '\\')
		buffer_printf(out, "\\%c", *at);
	else
		buffer_add(out, at, size);
}

void metric_label(Buffer *labels, const char *name, const char *value)
{
	size_t left = value ? strlen(value) : 0;

	buffer_printf(labels, "%s%s=\"", labels->length ? "," : "", name);
	while (left > 0) {
		size_t size = string_utf8_character(value, left);
		add_character(labels, value, size);
		value += size ? size : 1;
		left -= size ? size : 1;
	}
	buffer_add_char(labels, '"');
}

void metric_head(Buffer *out, const MetricFamily *family)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name, family->kind);
}

static void add_value(Buffer *out, MetricUnit unit, int64_t value)
{
	if (unit == METRIC_NUMBER)
		buffer_printf(out, " %" PRId64 "\n", value);
	else
		buffer_printf(out, " %s%" PRId64 ".%09" PRId64 "\n", value < 0 ? "-" : "",
			(value < 0 ? -value : value) / NANOS_PER_SECOND,
			(value < 0 ? -value : value) % NANOS_PER_SECOND);
}

void metric_sample(Buffer *out, const MetricFamily *family, const char *labels, const char *more, int64_t value)
{
	bool has_labels = !string_empty(labels), has_more = !string_empty(more);

	buffer_add_text(out, family->name);
	if (has_labels || has_more)
		buffer_printf(out, "{%s%s%s}", has_labels ? labels : "", has_labels && has_more ? "," : "",
			has_more ? more : "");
	add_value(out, family->unit, value);
}

void metric_alone(Buffer *out, const MetricFamily *family, int64_t value)
{
	metric_head(out, family);
	metric_sample(out, family, NULL, NULL, value);
}
