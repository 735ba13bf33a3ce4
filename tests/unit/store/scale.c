// SPDX-License-Identifier: Apache-2.0
/* What a thousand images and containers cost. Prints the figures; the bounds are wide, they catch what grows with the
 * square. */
#include "base/clock.h"
#include "fixture.h"

static double timed(int64_t since_ns)
{
	return (double)(clock_monotonic_ns() - since_ns) / NANOS_PER_MILLI;
}

static bool count_image(void *arg, Image *take)
{
	image_free(take);
	++*(int *)arg;
	return true;
}

static void count_record(void *arg, const char *id, const char *name, const char *json)
{
	(void)id, (void)name, (void)json;
	++*(int *)arg;
}

typedef struct Fill {
	Store *store;
	int count;
} Fill;

static Error *fill_steps(void *arg)
{
	const Fill *fill = arg;
	char json[4001];

	memset(json, 'j', 4000);
	json[4000] = '\0';
	for (int i = 1; i <= fill->count; i++) {
		autofree char *reference = string_printf("registry.example/team/image%d:v1", i),
			      *name = string_printf("name%d", i);
		Digest id = numbered(CONFIGS + i);
		TRY(try_image(fill->store, i, 1 + i % 5, 4, reference));
		TRY(snapshot_make(fill->store, container_id(i)));
		TRY(record_put(fill->store, "container", container_id(i), name, json));
		TRY(image_pin(fill->store, container_id(i), &id));
	}
	return NULL;
}

static void measure(const char *root, int count, double open_max_ms)
{
	Store *store = store_at(root);
	Fill fill = {.store = store, .count = count};
	int images = 0, records = 0;

	for (int i = 1; i <= 9; i++)
		check_ok(try_layer(store, i));
	check_ok(store_batch(store, fill_steps, &fill));
	store_close(store);
	int64_t start = clock_monotonic_ns();
	store = store_at(root);
	double open_ms = timed(start);
	start = clock_monotonic_ns();
	check_ok(image_each(store, count_image, &images));
	double each_ms = timed(start);
	start = clock_monotonic_ns();
	check_ok(record_each(store, "container", count_record, &records));
	double records_ms = timed(start);
	start = clock_monotonic_ns();
	for (int i = 1; i <= 100; i++)
		assert_true(has_image(store, "registry.example/team/image7:v1"));
	double find_ms = timed(start) / 100;
	start = clock_monotonic_ns();
	for (int i = 1; i <= 20; i++)
		check_ok(record_put(store, "container", container_id(i), NULL, "{}"));
	double put_ms = timed(start) / 20;
	start = clock_monotonic_ns();
	check_ok(store_collect(store));
	double collect_ms = timed(start);
	print_message("%d images and containers: open %.2f ms, image_each %.2f ms, record_each %.2f ms, image_find "
		      "%.3f ms, record_put %.3f ms,"
		      " collect %.2f ms\n",
		count, open_ms, each_ms, records_ms, find_ms, put_ms, collect_ms);
	assert_int_equal(images, count);
	assert_int_equal(records, count);
	assert_true(open_ms < open_max_ms);
	store_close(store);
}

static void fifty(void **state)
{
	measure(*state, 50, 100);
}

static void a_thousand(void **state)
{
	measure(*state, 1000, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(fifty),
		directory_test(a_thousand),
	};

	return cmocka_run_group_tests_name("store scale", tests, NULL, NULL);
}
