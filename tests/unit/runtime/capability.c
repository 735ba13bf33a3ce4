// SPDX-License-Identifier: Apache-2.0
#include "runtime/capability.h"

#include <linux/capability.h>

#include "check.h"

static uint64_t set_of(const char *add, const char *drop, bool privileged)
{
	autoclear(StringList) added = {0}, dropped = {0};
	uint64_t set = 0;

	strings_split(&added, add, ' ');
	strings_split(&dropped, drop, ' ');
	check_ok(capability_set(&set, &added, &dropped, privileged));
	return set;
}

static void test_names(void **state)
{
	static const char *const spellings[] = {"CAP_NET_RAW", "NET_RAW", "net_raw", "cap_net_raw", "Cap_Net_Raw"};
	int number = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		check_ok(capability_parse(&number, spellings[i]));
		assert_int_equal(number, CAP_NET_RAW);
	}
	assert_string_equal(capability_name(CAP_CHECKPOINT_RESTORE), "CAP_CHECKPOINT_RESTORE");
	assert_string_equal(capability_name(0), "CAP_CHOWN");
	assert_null(capability_name(CAP_LAST_CAP + 1));
	assert_null(capability_name(-1));
	check_invalid(capability_parse(&number, "NET_ROW"), "capability \"NET_ROW\" is unknown");
	check_invalid(capability_parse(&number, ""), "capability \"\" is unknown");
	check_invalid(capability_parse(&number, "ALL"), "capability \"ALL\" is unknown");
}

/* Every name is where the kernel's header has its number. */
static void test_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		int number = -1;
		check_ok(capability_parse(&number, capability_name(i)));
		assert_int_equal(number, i);
	}
}

static void test_sets(void **state)
{
	uint64_t normal = capability_default_set(), all = capability_all();

	(void)state;
	assert_int_equal(__builtin_popcountll(normal), 14);
	assert_int_equal(normal & ~all, 0);
	assert_int_equal(set_of("", "", false), normal);
	assert_int_equal(set_of("SYS_ADMIN", "", false), normal | CAPABILITY_BIT(CAP_SYS_ADMIN));
	assert_int_equal(
		set_of("", "chown KILL", false), normal & ~(CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_KILL)));
	assert_int_equal(set_of("", "ALL", false), 0);
	assert_int_equal(set_of("CHOWN", "all", false), CAPABILITY_BIT(CAP_CHOWN));
	assert_int_equal(set_of("ALL", "", false), all);
	assert_int_equal(set_of("ALL", "SYS_ADMIN", false), all & ~CAPABILITY_BIT(CAP_SYS_ADMIN));
	assert_int_equal(set_of("", "ALL", true), all);
	/* what is both dropped and added is there, as in Docker */
	assert_int_equal(set_of("CHOWN", "CHOWN", false), normal);
}

static void test_errors(void **state)
{
	autoclear(StringList) bad = {0}, none = {0};
	uint64_t set = 7;

	(void)state;
	strings_add(&bad, "FLY");
	check_invalid(capability_set(&set, &bad, &none, false), "field \"capAdd\": capability \"FLY\" is unknown");
	check_invalid(capability_set(&set, &none, &bad, false), "field \"capDrop\": capability \"FLY\" is unknown");
	assert_int_equal(set, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
