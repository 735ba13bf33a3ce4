// SPDX-License-Identifier: Apache-2.0
/* What a fluentd receiver answers: whatever it is, reading stays within it, and no more than is there is taken. */
#include "telemetry/msgpack.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	MsgpackText ack;

	memcpy(copy, data, size);
	int taken = msgpack_read_map(&ack, "ack", copy, size);
	must_hold(taken >= -1 && taken <= (int)size);
	if (taken > 0 && ack.data)
		must_hold(ack.data > copy && ack.data + ack.length <= copy + taken);
	for (size_t part = 0; taken > 0 && part < (size_t)taken; part++)
		must_hold(msgpack_read_map(&ack, "ack", copy, part) == 0); /* the rest of it is waited for */
	free(copy);
	return 0;
}
