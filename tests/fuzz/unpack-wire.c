// SPDX-License-Identifier: Apache-2.0
/* Frames between kedged and kedge-unpack: the first byte says how long the text is, the rest is text and payload. */
#include <string.h>

#include "base/memory.h"
#include "fetch/unpack_wire.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t text = size ? data[0] : 0;
	UnpackMessage message;

	if (size < 1 + text)
		return 0;
	autofree char *first = mem_dup(data + 1, text), *payload = mem_dup(data + 1 + text, size - 1 - text);
	Frame frame = {.text = first, .text_length = text, .payload = payload, .payload_length = size - 1 - text};
	Error *error = unpack_wire_parse(&message, &frame);
	if (!error) {
		must_hold(message.numbers.word >= 0 && message.numbers.word < UNPACK_WORDS);
		must_hold(strlen(message.first) + strlen(message.second) + 2 == frame.payload_length);
	}
	error_free(error);
	return 0;
}
