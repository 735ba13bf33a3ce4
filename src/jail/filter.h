// SPDX-License-Identifier: Apache-2.0
#pragma once
/* System call filters of helper programs: what is not added gets the filter's own action. libseccomp is seen here and
 * in the tables of the jails. */
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef void Filter; /* scmp_filter_ctx */

fallible filter_new(Filter **ret, uint32_t otherwise); /* SCMP_ACT_... */
Filter *filter_free(Filter *filter);
DEFINE_AUTOPTR(Filter, filter_free)

/* Names that this architecture or libseccomp does not know are passed over. */
fallible filter_add_names(Filter *filter, uint32_t action, const char *const *names, size_t count);

typedef struct FilterRule {
	int number; /* SCMP_SYS(...) */
	uint32_t action;
	unsigned count;
	struct scmp_arg_cmp arguments[2];
} FilterRule;

fallible filter_add_rules(Filter *filter, const FilterRule *rules, size_t count);

/* Memory that cannot be run; threads, no processes; time; the end. clone3 hides its flags in memory: the C library goes
 * back to clone.
 */
fallible filter_add_memory_and_threads(Filter *filter);

/* Programs, processes, mounts, traces, other people's rights: the process is killed. */
fallible filter_add_deadly(Filter *filter);

/* For this process and all threads it makes; sets no_new_privs. Not in a sanitized build, whose runtime calls what it
 * likes. */
fallible filter_load(Filter *filter);

/* The filter of most jails, made and loaded: what is named, what the rules say, and memory and threads are allowed; of
 * the rest the deadly kills, and anything else fails with EPERM. */
fallible filter_enter(const char *const *names, size_t count, const FilterRule *rules, size_t rule_count);
