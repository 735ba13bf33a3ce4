// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `kedge-shim --unplug=GROUP`: waits in kedged's place for the kernel to forget links (network/reaper.h). */
#include "base/error.h"
#include "shim/settings.h"

/* A group of which there is no link is fine. The first failure, after all were tried. */
fallible unplug_links(const ShimSettings *settings);
