// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Platforms ("linux/arm/v7") and their order of preference. Source: OCI image spec, image-index.md; containerd's
 * normalisation of names. */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Platform {
	char *os;           /* "linux" */
	char *architecture; /* "amd64", "arm64", "arm" */
	char *variant;      /* "v7"; NULL without one */
} Platform;

fallible platform_parse(Platform *ret, const char *text); /* "linux/arm64/v8", "arm64", "x86_64" (normalised) */
void platform_host(Platform *ret);                        /* of this machine, from uname(2) */
void platform_clear(Platform *platform);
DEFINE_AUTOCLEAR(Platform, platform_clear)
char *platform_text(const Platform *platform);
/* How well an image of platform `image` runs where `wanted` is wanted: 0 not at all, higher is better (arm/v7 takes v7
 * over v6). */
int platform_score(const Platform *wanted, const Platform *image);
