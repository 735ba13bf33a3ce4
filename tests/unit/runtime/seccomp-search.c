// SPDX-License-Identifier: Apache-2.0
/* The binary search of seccomp programs, with more ranges than any profile has: jumps get too long for eight bits. */
#include "bpf.h"

/* for its static functions */
#include "runtime/seccomp_program.c" // NOLINT

static uint32_t action_of(SeccompVerdict verdict)
{
	if (verdict == SECCOMP_ALLOW)
		return SECCOMP_RET_ALLOW;
	return SECCOMP_RET_ERRNO | (verdict == SECCOMP_REFUSE ? EPERM : ENOSYS);
}

/* Ranges with pseudo-random gaps and verdicts, from 0 on. */
static void make_ranges(Ranges *ret, size_t count, uint32_t seed)
{
	uint32_t start = 0;

	for (size_t i = 0; i < count; i++) {
		seed = seed * 1664525 + 1013904223;
		SeccompVerdict verdict = (SeccompVerdict)((seed >> 16) % 3);
		if (ret->count && ret->items[ret->count - 1].verdict == verdict)
			verdict = (verdict + 1) % 3;
		add_range(ret, start, verdict);
		start += 1 + (seed >> 24) % 7;
	}
}

static void check_number(const Filter *filter, const Ranges *ranges, size_t at, uint32_t number)
{
	const struct seccomp_data data = {.nr = (int)number};

	assert_int_equal(run(filter, &data, NULL), action_of(ranges->items[at].verdict));
}

static void check_ranges(size_t count, uint32_t seed)
{
	autoclear(Ranges) ranges = {0};
	autoclear(Program) program = {0};

	make_ranges(&ranges, count, seed);
	assert_int_equal(ranges.count, count);
	emit_load(&program, offsetof(struct seccomp_data, nr));
	emit_search(&program, ranges.items, ranges.count);
	const Filter filter = {program.items, program.count};
	for (size_t i = 0; i < count; i++) {
		uint32_t start = ranges.items[i].start;
		uint32_t last = i + 1 < count ? ranges.items[i + 1].start - 1 : UINT32_MAX;
		check_number(&filter, &ranges, i, start);
		check_number(&filter, &ranges, i, last);
	}
}

static void test_searches(void **state)
{
	(void)state;
	for (size_t count = 1; count < 600; count++)
		check_ranges(count, (uint32_t)count);
	check_ranges(1500, 7);
}

static void test_ranges_merge(void **state)
{
	autoclear(Ranges) ranges = {0};

	(void)state;
	add_range(&ranges, 0, SECCOMP_ALLOW);
	add_range(&ranges, 5, SECCOMP_ALLOW);
	add_range(&ranges, 6, SECCOMP_REFUSE);
	assert_int_equal(ranges.count, 2);
	assert_int_equal(ranges.items[1].start, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_searches),
		cmocka_unit_test(test_ranges_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
