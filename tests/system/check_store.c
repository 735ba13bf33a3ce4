// SPDX-License-Identifier: Apache-2.0
/* Runs the store's consistency check on a root that no kedged uses: a line per problem; status 1 when there is one. */
#include <stdio.h>

#include "store/check.h"

static void print_problem(void *arg, const char *problem)
{
	int *count = arg;

	puts(problem);
	(*count)++;
}

static fallible check(const char *root, int *ret_count)
{
	autoptr(Store) store = NULL;

	TRY(store_open(&store, root));
	return store_check(store, false, print_problem, ret_count);
}

int main(int argc, char **argv)
{
	int count = 0;
	Error *error = argc == 2 ? check(argv[1], &count) : error_new(ERROR_INVALID, "usage: check_store ROOT");
	bool failed = error;

	if (failed)
		printf("%s\n", error_message(error));
	error_free(error);
	return failed || count;
}
