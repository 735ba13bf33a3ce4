// SPDX-License-Identifier: Apache-2.0
/* The decision, as a table: what is there, what is declared, and the step that follows (invariant 4). */
#include "device/reconcile.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"

#define RUNNING                                                                                                        \
	{                                                                                                              \
		.state = KEPT_RUNNING, .matches = true, .ran_in_this_boot = true                                       \
	}
#define OLDER                                                                                                          \
	{                                                                                                              \
		.state = KEPT_RUNNING, .ran_in_this_boot = true                                                        \
	}
#define MADE                                                                                                           \
	{                                                                                                              \
		.state = KEPT_CREATED, .matches = true                                                                 \
	}
#define WANTED .is_wanted = true, .has_image = true, .probation_ns = 10 * NANOS_PER_SECOND

static const struct {
	const char *what;
	Situation situation;
	KeepStep step;
	bool is_as_declared;
	const char *reason; /* a part of it; NULL: not looked at */
} rows[] = {
	/* not wanted */
	{"nothing there", {.is_wanted = false}, KEEP_NOTHING, true, ""},
	{"it goes", {.current = RUNNING}, KEEP_REMOVE_CURRENT, false, NULL},
	{"what is beside it goes first", {.current = RUNNING, .old = OLDER, .next = MADE}, KEEP_REMOVE_NEXT, false, NULL},
	{"then the old one", {.current = RUNNING, .old = OLDER}, KEEP_REMOVE_OLD, false, NULL},

	/* making one */
	{"absent", {WANTED}, KEEP_CREATE, false, NULL},
	{"no image", {.is_wanted = true}, KEEP_PULL, false, NULL},
	{"no image, never", {.is_wanted = true, .pull = PULL_NEVER}, KEEP_NOTHING, false, "is never to be pulled"},
	{"given up", {.is_wanted = true, .pull_is_over = true, .pull_failure = "no way"}, KEEP_NOTHING, false, "no way"},
	{"always", {WANTED, .pull = PULL_ALWAYS, .pull_is_due = true}, KEEP_PULL, false, NULL},
	{"always, offline", {WANTED, .pull = PULL_ALWAYS, .pull_is_due = true, .pull_failure = "x"}, KEEP_CREATE, false, NULL},
	{"always, asked already", {WANTED, .pull = PULL_ALWAYS}, KEEP_CREATE, false, NULL},
	{"pulled while it waits", {.is_wanted = true, .waits_for = "\"db\", which is not there"}, KEEP_PULL, false, NULL},
	{"it waits", {WANTED, .waits_for = "\"db\", which is not there"}, KEEP_NOTHING, false, "it waits for \"db\""},
	{"refused", {WANTED, .refused = "no"}, KEEP_NOTHING, false, "no"},
	{"refused beside one that runs", {WANTED, .refused = "no", .current = OLDER}, KEEP_NOTHING, false, "no"},
	{"could not be made", {WANTED, .cannot_create = "no port"}, KEEP_CREATE, false, "no port"},

	/* keeping one */
	{"made", {WANTED, .current = MADE}, KEEP_START, false, NULL},
	{"made, and waits", {WANTED, .current = MADE, .waits_for = "x"}, KEEP_NOTHING, false, "it waits for x"},
	{"runs", {WANTED, .current = RUNNING}, KEEP_NOTHING, true, ""},
	{"runs, whatever it depends on", {WANTED, .current = RUNNING, .waits_for = "x"}, KEEP_NOTHING, true, ""},
	{"unhealthy", {WANTED, .current = {.state = KEPT_RUNNING, .matches = true, .health = HEALTH_UNHEALTHY}}, KEEP_NOTHING, false, "health check fails"},
	{"limits", {WANTED, .current = {.state = KEPT_RUNNING, .matches = true, .limits_differ = true}}, KEEP_UPDATE, false, NULL},
	{"a stranger", {WANTED, .current = {.state = KEPT_RUNNING, .matches = true, .is_stranger = true}}, KEEP_ADOPT, false, NULL},
	{"busy", {WANTED, .current = {.state = KEPT_BUSY, .matches = true, .limits_differ = true}}, KEEP_NOTHING, false, NULL},
	{"dead", {WANTED, .current = {.state = KEPT_DEAD, .matches = true}}, KEEP_CREATE_NEXT, false, "it was lost"},
	{"dead, and another one is made", {WANTED, .current = {.state = KEPT_DEAD, .matches = true}, .next = MADE}, KEEP_REMOVE_CURRENT, false, "it was lost"},
	{"dead, and removed", {WANTED, .next = MADE}, KEEP_RENAME_NEXT, false, NULL},
	{"dead, and what is declared was taken back", {WANTED, .taken_back = "x", .current = {.state = KEPT_DEAD}}, KEEP_REMOVE_CURRENT, false, NULL},
	{"it was to go, and is not any more", {WANTED, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true, .was_set_aside = true}}, KEEP_START, false, "being started"},
	{"the registry is asked meanwhile", {WANTED, .current = RUNNING, .pull = PULL_ALWAYS, .pull_is_due = true}, KEEP_PULL, true, ""},
	{"stopped by a user", {WANTED, .current = {.state = KEPT_ENDED, .matches = true, .stopped_by_user = true}}, KEEP_NOTHING, false, "stopped by a user"},
	{"stopped, and by no user", {WANTED, .current = {.state = KEPT_ENDED, .matches = true, .stopped_by_user = true, .stopped_for = "its health check fails"}}, KEEP_NOTHING, false, "it was stopped: its health check fails"},
	{"ended before this boot", {WANTED, .current = {.state = KEPT_ENDED, .matches = true}}, KEEP_START, false, NULL},
	{"the same in its order", {WANTED, .waits_for = "x", .current = {.state = KEPT_ENDED, .matches = true}}, KEEP_NOTHING, false, "it waits for x"},
	{"finished", {WANTED, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true}}, KEEP_NOTHING, true, ""},
	{"failed, not to be started again", {WANTED, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true, .exit_code = 3}}, KEEP_NOTHING, false, "status 3"},
	{"its policy would, and could not", {WANTED, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true, .exit_code = 3, .restart_policy = RESTART_UNLESS_STOPPED}}, KEEP_START, false, NULL},

	/* replacing one */
	{"differs", {WANTED, .current = OLDER}, KEEP_CREATE_NEXT, false, NULL},
	{"differs, no image: the old one stays", {.is_wanted = true, .current = OLDER}, KEEP_PULL, false, NULL},
	{"differs, and runs: its order is behind it", {WANTED, .current = OLDER, .waits_for = "x"}, KEEP_CREATE_NEXT, false, NULL},
	{"differs, and does not run", {WANTED, .current = {.state = KEPT_ENDED}, .waits_for = "x"}, KEEP_NOTHING, false, "it waits for x"},
	{"differs, no image, and went down with the machine", {.is_wanted = true, .current = {.state = KEPT_ENDED}}, KEEP_START, false, "what ran before"},
	{"the same, and its image is never to be pulled", {.is_wanted = true, .pull = PULL_NEVER, .current = {.state = KEPT_ENDED}}, KEEP_START, false, NULL},
	{"the same, in its order", {.is_wanted = true, .waits_for = "x", .current = {.state = KEPT_ENDED}}, KEEP_PULL, false, NULL},
	{"the same, and it could not be started", {.is_wanted = true, .current = {.state = KEPT_ENDED, .failure = "y"}}, KEEP_PULL, false, NULL},
	{"the same, stopped by a user", {.is_wanted = true, .current = {.state = KEPT_ENDED, .stopped_by_user = true}}, KEEP_PULL, false, NULL},
	{"the same, somebody else's", {.is_wanted = true, .current = {.state = KEPT_ENDED, .is_stranger = true}}, KEEP_PULL, false, NULL},
	{"the same, and its image is there", {WANTED, .current = {.state = KEPT_ENDED}}, KEEP_CREATE_NEXT, false, NULL},
	{"differs, no image, and ended in this boot", {.is_wanted = true, .current = {.state = KEPT_ENDED, .ran_in_this_boot = true}}, KEEP_PULL, false, NULL},
	{"next is made", {WANTED, .current = OLDER, .next = MADE}, KEEP_RENAME_TO_OLD, false, NULL},
	{"next is of something else", {WANTED, .current = OLDER, .next = {.state = KEPT_CREATED}}, KEEP_REMOVE_NEXT, false, NULL},
	{"the replacement was to go, and is not any more", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true, .exit_code = 143, .was_set_aside = true}}, KEEP_START, false, NULL},
	{"the replacement was stopped, and by no user", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true, .stopped_by_user = true, .stopped_for = "its health check fails"}}, KEEP_TAKE_BACK, false, "its health check fails"},
	{"the same, and could not be started", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .was_set_aside = true, .failure = "no port"}}, KEEP_TAKE_BACK, false, "no port"},
	{"renamed", {WANTED, .old = OLDER, .next = MADE}, KEEP_RENAME_NEXT, false, NULL},
	{"both renamed", {WANTED, .old = OLDER, .current = MADE}, KEEP_STOP_OLD, false, NULL},
	{"stopping", {WANTED, .old = {.state = KEPT_BUSY}, .current = MADE}, KEEP_NOTHING, false, NULL},
	{"stopped", {WANTED, .old = {.state = KEPT_ENDED}, .current = MADE}, KEEP_START, false, NULL},
	{"on probation", {WANTED, .old = {.state = KEPT_ENDED}, .current = RUNNING}, KEEP_NOTHING, false, "on probation"},
	{"proven", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_RUNNING, .matches = true, .up_ns = 10 * NANOS_PER_SECOND}}, KEEP_REMOVE_OLD, false, NULL},
	{"up, and not healthy yet", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_RUNNING, .matches = true, .up_ns = 10 * NANOS_PER_SECOND, .health = HEALTH_STARTING}}, KEEP_NOTHING, false, NULL},
	{"healthy", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_RUNNING, .matches = true, .up_ns = 10 * NANOS_PER_SECOND, .health = HEALTH_HEALTHY}}, KEEP_REMOVE_OLD, false, NULL},
	{"not healthy", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_RUNNING, .matches = true, .health = HEALTH_UNHEALTHY}}, KEEP_TAKE_BACK, false, "not healthy"},
	{"restarted", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_RUNNING, .matches = true, .restarts = 1}}, KEEP_TAKE_BACK, false, NULL},
	{"ended", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true, .exit_code = 1}}, KEEP_TAKE_BACK, false, "status 1"},
	{"ended as the machine went down", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .exit_code = 255}}, KEEP_START, false, NULL},
	{"the same, and the old one is up again", {WANTED, .old = OLDER, .current = {.state = KEPT_ENDED, .matches = true, .exit_code = 255}}, KEEP_STOP_OLD, false, NULL},
	{"the same, and it waits", {WANTED, .waits_for = "x", .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .exit_code = 255}}, KEEP_NOTHING, false, "it waits for x"},
	{"a job that is done", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true, .ran_in_this_boot = true}}, KEEP_REMOVE_OLD, false, NULL},
	{"could not be started", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_CREATED, .matches = true, .failure = "no such file"}}, KEEP_TAKE_BACK, false, "no such file"},

	/* taking one back */
	{"noted", {WANTED, .taken_back = "x", .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_ENDED, .matches = true}}, KEEP_REMOVE_CURRENT, false, NULL},
	{"removed", {WANTED, .taken_back = "x", .old = {.state = KEPT_ENDED}}, KEEP_START_OLD, false, NULL},
	{"started again", {WANTED, .taken_back = "x", .old = OLDER}, KEEP_RENAME_BACK, false, NULL},
	{"back", {WANTED, .taken_back = "it ended", .current = OLDER}, KEEP_NOTHING, false, "did not come up, so that what ran before was started again: it ended"},
	{"back, and a next one that was made", {WANTED, .taken_back = "x", .current = OLDER, .next = MADE}, KEEP_REMOVE_NEXT, false, NULL},
	{"changed again meanwhile", {WANTED, .old = {.state = KEPT_ENDED}, .current = {.state = KEPT_RUNNING}}, KEEP_REMOVE_CURRENT, false, NULL},
	{"the new one was lost", {WANTED, .old = {.state = KEPT_ENDED}}, KEEP_START_OLD, false, NULL},
	{"the old one cannot be started either", {WANTED, .taken_back = "x", .old = {.state = KEPT_ENDED, .failure = "y"}}, KEEP_RENAME_BACK, false, NULL},
};

static void decides_by_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		Decision decision = reconcile(&rows[i].situation);
		if (decision.step != rows[i].step || decision.is_as_declared != rows[i].is_as_declared ||
			(rows[i].reason && !strstr(decision.reason, rows[i].reason)))
			fail_msg("%s: %s, as declared %d: \"%s\"", rows[i].what, keep_step_names[decision.step],
				decision.is_as_declared, decision.reason);
		assert_true(decision.is_as_declared || *decision.reason);
	}
}

/* Who waits for it need not wait for these. */
static void says_what_it_has_given_up(void **state)
{
	static const char *const words[] = {"is never to be pulled", "no way", "no", "health check fails",
		"stopped by a user", "it was stopped: its health check fails", "status 3", "did not come up"};
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		Decision decision = reconcile(&rows[i].situation);
		bool is_among = false;
		for (size_t j = 0; j < COUNT(words); j++)
			is_among |= rows[i].reason && strcmp(words[j], rows[i].reason) == 0;
		is_among = (is_among || (rows[i].reason && strstr(rows[i].reason, "did not come up"))) &&
			   rows[i].step == KEEP_NOTHING;
		if (decision.is_given_up != is_among)
			fail_msg("%s: given up %d", rows[i].what, decision.is_given_up);
		found += is_among;
	}
	assert_true(found >= COUNT(words));
}

static void asks_again_when_the_probation_is_over(void **state)
{
	Situation situation = {WANTED, .old = {.state = KEPT_ENDED}, .current = RUNNING};

	(void)state;
	situation.current.up_ns = 4 * NANOS_PER_SECOND;
	assert_int_equal(reconcile(&situation).ask_again_ns, 6 * NANOS_PER_SECOND);
	situation.current.up_ns = 11 * NANOS_PER_SECOND;
	situation.current.health = HEALTH_STARTING;
	assert_int_equal(reconcile(&situation).ask_again_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_the_table),
		cmocka_unit_test(says_what_it_has_given_up),
		cmocka_unit_test(asks_again_when_the_probation_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
