// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Looking for records without files and files without records, and putting that right: what opening does silently where
 * nothing is wrong, and what check.h does on demand.
 */
#include "store/internal.h"

typedef struct Inspection {
	Store *store;
	bool repairs;
	void (*report)(void *arg, const char *problem);
	void *arg;
} Inspection;

void inspect_found(const Inspection *inspection, const char *format, ...) __attribute__((format(printf, 2, 3)));
fallible inspect_layers(const Inspection *inspection);
fallible inspect_images(const Inspection *inspection); /* after the layers */
fallible inspect_containers(const Inspection *inspection);
fallible inspect_volumes(const Inspection *inspection); /* in volumes.c */
fallible settle_volumes(const Inspection *inspection);  /* before anybody works on them: see volumes.h */
