// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The admission door, in front of everything that makes a container's image run: create, every start
 * (container_launch(), whoever asks for it), restart, unpause and exec. The engine's policy (engine/enforcement.h) is
 * the judge, and what is judged is the image that the container was made from, by the digests that were known then or
 * are known now, never what its tag means by now. Each decision of a policy is a line of the audit log; refusals and
 * warnings are events, too
 * ("container" "deny", "warn").
 */
#include "engine/container_internal.h"
#include "policy/policy.h"

/* ERROR_FORBIDDEN, with the reason. Notes in the record what is known of the image. Warnings of rules are added. */
fallible admission_create(Container *container, const Image *image, StringList *ret_warnings);
fallible admission_ask(Container *container, const char *door); /* "start", "restart", "unpause" */
fallible admission_exec(Container *container, bool is_privileged);

/* For a pass over what is here: whether the policy's allow-list has it; digests: of its image, all that are known. */
fallible admission_allows(bool *ret, StringList *ret_digests, const Container *container, const Policy *policy);
