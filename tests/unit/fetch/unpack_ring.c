// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "check.h"
#include "fetch/unpack/ring.h"

enum { ROUNDS = 5000 };

static void *write_rounds(void *arg)
{
	Ring *ring = arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint8_t *room = ring_room(ring);
		if (!room)
			return NULL;
		memcpy(room, &i, sizeof i);
		ring_fill(ring, sizeof i + i % 100);
	}
	ring_end(ring);
	return NULL;
}

typedef struct Reader {
	Ring *ring;
	unsigned number;
	uint32_t stop_at;
	uint32_t got;
	bool wrong;
	RingState state;
} Reader;

static void *read_rounds(void *arg)
{
	Reader *reader = arg;
	const uint8_t *run;
	size_t length;
	uint32_t value;

	while ((reader->state = ring_next(reader->ring, reader->number, &run, &length)) == RING_DATA) {
		memcpy(&value, run, sizeof value);
		reader->wrong = reader->wrong || value != reader->got || length != sizeof value + value % 100;
		if (++reader->got == reader->stop_at)
			ring_stop(reader->ring);
	}
	return NULL;
}

static void run(Reader readers[2])
{
	autoptr(Ring) ring = ring_new(RING_READERS);
	pthread_t threads[3];

	for (unsigned i = 0; i < 2; i++) {
		readers[i].ring = ring;
		readers[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, read_rounds, &readers[i]), 0);
	}
	assert_int_equal(pthread_create(&threads[2], NULL, write_rounds, ring), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void test_both_readers_see_everything(void **state)
{
	Reader readers[2] = {{0}};

	(void)state;
	run(readers);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(readers[i].state, RING_END);
		assert_int_equal(readers[i].got, ROUNDS);
		assert_false(readers[i].wrong);
	}
}

static void test_stop_ends_all(void **state)
{
	Reader readers[2] = {{.stop_at = 100}};

	(void)state;
	run(readers);
	assert_int_equal(readers[0].state, RING_STOPPED);
	assert_int_equal(readers[1].state, RING_STOPPED);
	assert_true(readers[1].got <= 100 + RING_BUFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_readers_see_everything),
		cmocka_unit_test(test_stop_ends_all),
	};

	return cmocka_run_group_tests_name("unpack-ring", tests, NULL, NULL);
}
