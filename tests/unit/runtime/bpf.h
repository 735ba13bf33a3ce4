// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An interpreter of seccomp programs, for what our compiler and libseccomp's emit; anything else fails the test. */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "check.h"

typedef struct Filter {
	struct sock_filter *items;
	size_t count;
} Filter;

static inline void filter_clear(Filter *filter)
{
	free(filter->items);
}
DEFINE_AUTOCLEAR(Filter, filter_clear)

static inline bool jump_holds(const struct sock_filter *at, uint32_t accumulator)
{
	switch (BPF_OP(at->code)) {
	case BPF_JEQ:
		return accumulator == at->k;
	case BPF_JGT:
		return accumulator > at->k;
	case BPF_JGE:
		return accumulator >= at->k;
	case BPF_JSET:
		return accumulator & at->k;
	default:
		fail_msg("unexpected jump %#x", at->code);
		return false;
	}
}

/* The verdict; *ret_steps, unless NULL, is raised to the number of steps. */
static inline uint32_t run(const Filter *filter, const struct seccomp_data *data, size_t *ret_steps)
{
	uint32_t accumulator = 0;
	size_t steps = 0;

	for (size_t i = 0; i < filter->count; i++, steps++) {
		const struct sock_filter *at = &filter->items[i];
		if (BPF_CLASS(at->code) == BPF_RET) {
			if (ret_steps && steps > *ret_steps)
				*ret_steps = steps;
			return at->k;
		}
		if (at->code == (BPF_LD | BPF_W | BPF_ABS)) {
			assert_true(at->k % 4 == 0 && at->k < sizeof(*data));
			memcpy(&accumulator, (const char *)data + at->k, 4);
		} else if (at->code == (BPF_JMP | BPF_JA)) {
			i += at->k;
		} else if (BPF_CLASS(at->code) == BPF_JMP) {
			i += jump_holds(at, accumulator) ? at->jt : at->jf;
		} else if (at->code == (BPF_ALU | BPF_AND | BPF_K)) {
			accumulator &= at->k;
		} else {
			fail_msg("unexpected instruction %#x", at->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}
