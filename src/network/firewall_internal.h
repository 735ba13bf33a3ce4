// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of the firewall share. */
#include "network/elements.h"
#include "network/nfnetlink.h"

enum { TABLE_NAME_MAX = 64 };

struct Firewall {
	Nfnetlink *netlink;
	char table[TABLE_NAME_MAX];
};

/* Whether our table is there. */
fallible firewall_has_table(Firewall *firewall, bool *ret);
