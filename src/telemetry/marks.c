// SPDX-License-Identifier: Apache-2.0
#include "telemetry/marks.h"

#include <string.h>

void marks_begin(Marks *marks, const LogSpot *start, int64_t keeps)
{
	marks->count = marks->sure = 0;
	marks->bytes = 0;
	marks->keeps = keeps;
	marks->start = marks->kept = *start;
}

static void drop_first(Marks *marks)
{
	marks->kept = marks->items[0].spot;
	marks->count--;
	marks->sure -= marks->sure > 0;
	memmove(&marks->items[0], &marks->items[1], marks->count * sizeof(Mark));
}

/* Of those that have arrived, only what may be unread is still of interest. */
static void drop_old(Marks *marks)
{
	while (marks->sure > 1 && marks->items[0].bytes < marks->bytes - marks->keeps)
		drop_first(marks);
}

void marks_add(Marks *marks, const LogSpot *spot, size_t bytes, int64_t now_ns)
{
	Mark *last = marks->count ? &marks->items[marks->count - 1] : NULL;

	marks->bytes += (int64_t)bytes;
	drop_old(marks);
	if (marks->count == MARKS_MAX && marks->sure > 0)
		drop_first(marks);
	/* When all are open, the newest one grows: less is known of when it was sent, which is on the safe side. */
	if (marks->count < MARKS_MAX)
		last = &marks->items[marks->count++];
	*last = (Mark){*spot, marks->bytes, now_ns};
}

bool marks_settle(Marks *marks, int64_t arrived, int64_t until_ns)
{
	size_t before = marks->sure;

	while (marks->sure < marks->count && marks->items[marks->sure].bytes <= arrived &&
		marks->items[marks->sure].time_ns <= until_ns)
		marks->sure++;
	return marks->sure > before;
}

bool marks_are_open(const Marks *marks)
{
	return marks->sure < marks->count;
}

LogSpot marks_sure(const Marks *marks)
{
	if (marks->sure)
		return marks->items[marks->sure - 1].spot;
	return marks->count ? marks->kept : marks->start;
}

LogSpot marks_unread(const Marks *marks)
{
	return marks->kept;
}
