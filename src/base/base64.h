// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Base64 of RFC 4648, in the plain alphabet (registry credentials in files) and the one for URLs (X-Registry-Auth). */
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

void base64_encode(Buffer *out, const void *data, size_t length);     /* "+/", padded */
void base64_encode_url(Buffer *out, const void *data, size_t length); /* "-_", padded, as Go's URLEncoding */
/* Either alphabet, with or without padding. False, and nothing added, when text is neither. */
bool base64_decode(Buffer *out, const char *text, size_t length);
