// SPDX-License-Identifier: Apache-2.0
#include "base/list.h"

#include "check.h"

typedef struct Item {
	int number;
	List in_list;
} Item;

static int digits_of(List *head)
{
	int digits = 0;

	list_each(head, Item, in_list, item)
		digits = digits * 10 + item->number;
	return digits;
}

static void keeps_order_and_survives_removal(void **state)
{
	List head;
	Item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_append(&head, &items[i].in_list);
	assert_int_equal(digits_of(&head), 123);
	list_each(&head, Item, in_list, item)
		if (item->number == 2)
			list_remove(&item->in_list);
	assert_int_equal(digits_of(&head), 13);
	list_remove(&items[1].in_list); /* again: harmless */
	assert_int_equal(digits_of(&head), 13);
	list_remove(&items[0].in_list);
	list_remove(&items[2].in_list);
	assert_true(list_empty(&head));
}

static void a_zeroed_node_is_in_no_list(void **state)
{
	Item item = {0};

	(void)state;
	list_remove(&item.in_list);
	assert_true(list_empty(&item.in_list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order_and_survives_removal),
		cmocka_unit_test(a_zeroed_node_is_in_no_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
