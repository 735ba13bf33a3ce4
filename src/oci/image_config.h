// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The image configuration. Source: OCI image spec config.md; Docker's additions Healthcheck, Shell, OnBuild. Read-only
 * view: the text is kept byte for byte elsewhere. */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "oci/platform.h"
#include "json/fields.h"

enum { IMAGE_CONFIG_MAX = 8 << 20 };

typedef struct HealthCheck {
	StringList test;     /* {"NONE"}, {"CMD", ...}, {"CMD-SHELL", text}; empty: none given */
	int64_t interval_ns; /* 0: default (30 s) */
	int64_t timeout_ns;  /* 0: default (30 s) */
	int64_t start_period_ns;
	int64_t start_interval_ns; /* between checks in the start period; 0: as at any time */
	int64_t retries;           /* 0: default (3) */
} HealthCheck;

/* Docker's words: Test, Interval, Timeout, StartPeriod, StartInterval, Retries */
extern const Field health_check_fields[];

typedef struct HistoryEntry {
	char *created;
	char *created_by;
	char *author;
	char *comment;
	bool empty_layer;
} HistoryEntry;

typedef struct ImageConfig {
	char *created;
	char *author, *comment, *docker_version;
	char *parent; /* id of the image that it was made of, where an engine says so; NULL else */
	char *architecture, *os, *variant;
	struct {
		char *user;
		char *workdir;
		char *stop_signal;
		StringList env, entrypoint, command, shell, on_build;
		StringList exposed_ports, volumes;
		StringMap labels;
		HealthCheck *health; /* NULL without one */
	} config;
	char *rootfs_type; /* "layers" */
	StringList diff_ids;
	FieldArray history; /* HistoryEntry */
} ImageConfig;

extern const Field image_config_fields[];
extern const Field image_run_fields[]; /* what is in "config" */

fallible image_config_parse(ImageConfig *ret, const char *text, size_t length);
/* Takes of from's `config` what config leaves open, by the rules of `commit`: lists and maps are joined, an entrypoint
 * comes with its command. Source: moby daemon/commit.go, merge. */
void image_config_fill(ImageConfig *config, const ImageConfig *from);
void image_config_clear(ImageConfig *config);
DEFINE_AUTOCLEAR(ImageConfig, image_config_clear)
