// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Prometheus' text format 0.0.4, written straight into a Buffer. A family is its head and then all of its samples, in
 * one group. Labels are written once for whatever they belong to ("id=\"...\",name=\"...\""), and passed on as text.
 * Source: prometheus.io, exposition formats.
 */
#include <stdint.h>

#include "base/buffer.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef enum MetricUnit {
	METRIC_NUMBER,
	METRIC_NANOS, /* shown in seconds */
} MetricUnit;

/* One family. kind: "counter", "gauge". */
typedef struct MetricFamily {
	const char *name, *kind, *help;
	MetricUnit unit;
} MetricFamily;

/* Adds one to a text of labels. What is no UTF-8 becomes U+FFFD. */
void metric_label(Buffer *labels, const char *name, const char *value);

void metric_head(Buffer *out, const MetricFamily *family);
/* labels, more: texts of labels, either may be NULL or "". */
void metric_sample(Buffer *out, const MetricFamily *family, const char *labels, const char *more, int64_t value);
/* A family of one sample without labels. */
void metric_alone(Buffer *out, const MetricFamily *family, int64_t value);
