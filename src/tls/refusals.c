// SPDX-License-Identifier: Apache-2.0
#include "tls/refusals.h"

#include "base/clock.h"
#include "base/log.h"

#define MINUTE (60 * NANOS_PER_SECOND)

static bool may_tell(Refusals *refusals, int64_t now)
{
	if (refusals->minute_ns == 0 || now - refusals->minute_ns >= MINUTE) {
		refusals->minute_ns = now;
		refusals->told = 0;
	}
	if (refusals->told >= REFUSALS_A_MINUTE)
		return false;
	refusals->told++;
	return true;
}

void refusals_note(Refusals *refusals, const char *peer, Error *take_error)
{
	if (!may_tell(refusals, clock_monotonic_ns())) {
		refusals->untold++;
		error_free(take_error); /* it is counted */
		return;
	}
	if (refusals->untold > 0)
		log_warning("%u more were not let in by TLS", refusals->untold);
	refusals->untold = 0;
	error_log(take_error, "%s was not let in by TLS", peer);
}
