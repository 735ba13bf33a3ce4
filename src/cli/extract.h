// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An archive from a container, unpacked below a directory of this machine. Nothing in it is trusted: no name leads out
 * of the directory, and no link, from the archive or there before, is followed.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "http/client.h"

typedef struct ExtractPlan {
	int directory;                           /* borrowed */
	const char *from;                        /* the archive's root is called so there ("." too) */
	const char *to;                          /* and so here; NULL: the same */
	bool keeps_owner;                        /* needs root */
	void (*moved)(void *arg, int64_t bytes); /* so much of the body has come */
	void *arg;
} ExtractPlan;

/* The rest of the answer's body. *ret_bytes: how long it was. */
fallible extract_answer(HttpClient *client, const ExtractPlan *plan, int64_t *ret_bytes);
