// SPDX-License-Identifier: Apache-2.0
/* Kept events while the clock is set back: none is lost to who asks for what came since the last one he saw. */
#include "engine/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void note(void *arg, const Event *event)
{
	strings_add(arg, event->action);
}

static void test_since_a_time_before_the_clock_was_set_back(void **state)
{
	static const int64_t times[] = {1000, 2000, 3000, 500, 600};
	Engine *engine = calloc(1, sizeof(*engine));
	autoclear(StringList) all = {0}, later = {0}, none = {0};

	(void)state;
	list_init(&engine->subscriptions);
	for (size_t i = 0; i < 5; i++) {
		event_emit(engine, "container", (char[]){(char)('a' + i), '\0'}, "id", NULL);
		engine->kept[i].wall_ns = times[i];
	}
	events_each_since(engine, 1, note, &all);
	events_each_since(engine, 3000, note, &later);
	events_each_since(engine, 3001, note, &none);
	assert_int_equal(all.count, 5);
	assert_int_equal(later.count, 3);
	assert_string_equal(later.items[0], "c");
	assert_string_equal(later.items[2], "e");
	assert_int_equal(none.count, 0);
	events_clear(engine);
	free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_since_a_time_before_the_clock_was_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
