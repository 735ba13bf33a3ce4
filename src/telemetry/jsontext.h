// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Text as a JSON string, with quotes. What is no UTF-8 becomes U+FFFD. */
#include "base/buffer.h"

void json_add_text(Buffer *out, const char *text, size_t length);
