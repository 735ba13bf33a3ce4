// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How much leaves by a link: a token bucket at its end (tc-tbf(8)). What comes to a container leaves by its link's end
 * on the host; what it sends leaves by its own end. A limit goes with its link.
 */
#include "network/netlink.h"

/* "8mbit", "500k", "1.5g", "64000": bits per second, powers of 1000. The message says what is wrong with the text
 * alone.
 */
fallible rate_parse(int64_t *ret_bits, const char *text);

/* netlink: of the namespace that the link is in. In place of a limit that is there. */
fallible link_limit(Netlink *netlink, const char *name, int64_t bits_per_second);
