// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The dashboard's files as web/build embeds them, compressed with gzip; none where kedged was built without. */
#include <stdbool.h>
#include <stddef.h>

typedef struct WebFile {
	const char *path; /* "/", "/assets/index-Bx1.js" */
	const char *type;
	const char *etag; /* with its quotes */
	const char *bytes;
	size_t length;
	bool is_named_by_content; /* it never changes under that name */
} WebFile;

extern const WebFile web_files[]; /* ends with .path = NULL */
