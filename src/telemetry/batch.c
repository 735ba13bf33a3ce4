// SPDX-License-Identifier: Apache-2.0
#include "telemetry/driver.h"

void batch_end_message(Batch *batch)
{
	if (batch->count < BATCH_MESSAGES)
		batch->ends[batch->count++] = batch->bytes.length;
}

void batch_clear(Batch *batch)
{
	buffer_truncate(&batch->bytes, 0);
	batch->count = batch->lines = 0;
	if (batch->bytes.capacity > 2 * BATCH_SIZE)
		buffer_clear(&batch->bytes);
}

/* A line of gelf takes some datagrams. */
bool batch_has_room(const Batch *batch)
{
	return batch->bytes.length < BATCH_SIZE / 2 && batch->count < BATCH_MESSAGES / 2;
}
