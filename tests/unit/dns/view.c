// SPDX-License-Identifier: Apache-2.0
#include "dns/view.h"

#include <arpa/inet.h>

#include "asked.h"

typedef struct Place {
	Names *names;
	View view;
} Place;

static void set(Names *names, const char *network, const char *container, const char *ipv4, const char *all)
{
	autoclear(StringList) list = {0};
	const NamesEntry entry = {.network = network, .container = container, .ipv4 = ipv4, .ipv6 = "", .names = &list};

	strings_split(&list, all, ' ');
	names_set(names, &entry);
}

static int set_up(void **state)
{
	Place *place = calloc(1, sizeof(*place));

	place->names = names_new();
	set(place->names, "id1", "a", "10.1.0.1", "web both x.id");
	set(place->names, "id2", "b", "10.2.0.2", "db both");
	set(place->names, "id3", "c", "10.3.0.3", "hidden both web.Net.One");
	view_add_network(&place->view, "id1", "Net.One");
	view_add_network(&place->view, "id2", "two");
	place->view.container = strdup("a");
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	Place *place = *state;

	names_free(place->names);
	view_clear(&place->view);
	free(place);
	return 0;
}

/* The last bytes of the answer as an address, "nothing" for an answer without records, or "unknown". */
static char *answer(Place *place, const char *name, unsigned type)
{
	autoclear(Question) question = {0};
	uint8_t bytes[512];
	char text[INET_ADDRSTRLEN];

	ask(&question, name, type);
	autoptr(Reply) reply = view_answer(&place->view, place->names, &question);
	if (!reply)
		return strdup("unknown");
	size_t length = reply_write(reply, bytes, sizeof(bytes));
	assert_true(length > 12);
	if (!bytes[7])
		return strdup("nothing");
	assert_int_equal(bytes[7], 1);
	return strdup(inet_ntop(AF_INET, bytes + length - 4, text, sizeof(text)));
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *answer;
	} cases[] = {
		{"web", "10.1.0.1"},
		{"WEB.net.ONE", "10.1.0.1"},
		{"web.two", "unknown"},
		{"db", "10.2.0.2"},
		{"db.two", "10.2.0.2"},
		{"db.two.", "10.2.0.2"},
		{"db.two.example", "unknown"},
		{"both", "10.1.0.1"},
		{"both.two", "10.2.0.2"},
		{"x.id", "10.1.0.1"},
		{"x.id.net.one", "10.1.0.1"},
		{"x", "unknown"},
		{"hidden", "unknown"},
		{"web.id1", "unknown"},
		{"", "unknown"},
		{"two", "unknown"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_text(answer(*state, cases[i].name, TYPE_A), cases[i].answer);
	check_text(answer(*state, "web", TYPE_AAAA), "nothing");
	check_text(answer(*state, "web", TYPE_MX), "nothing");
	check_text(answer(*state, "web", TYPE_PTR), "nothing");
	check_text(answer(*state, "none", TYPE_MX), "unknown");
}

static void test_links(void **state)
{
	Place *place = *state;

	view_add_link(&place->view, "Store", "id2", "b");
	view_add_link(&place->view, "web", "", "b"); /* before other names */
	view_add_link(&place->view, "far", "id3", "c");
	view_add_link(&place->view, "db", "id2", "ended"); /* not there: others may have the name */
	check_text(answer(place, "store", TYPE_A), "10.2.0.2");
	check_text(answer(place, "store.TWO", TYPE_A), "10.2.0.2");
	check_text(answer(place, "store.net.one", TYPE_A), "unknown");
	check_text(answer(place, "web", TYPE_A), "10.2.0.2");
	check_text(answer(place, "web.net.one", TYPE_A), "10.1.0.1");
	check_text(answer(place, "far", TYPE_A), "unknown");
	check_text(answer(place, "db", TYPE_A), "10.2.0.2");
}

static void test_own_addresses(void **state)
{
	const Place *place = *state;
	Server server;

	assert_true(server_parse(&server, "10.1.0.1"));
	assert_true(view_is_own_address(&place->view, place->names, &server));
	assert_true(server_parse(&server, "10.2.0.2"));
	assert_false(view_is_own_address(&place->view, place->names, &server));
	assert_true(server_parse(&server, "2001:db8::1"));
	assert_false(view_is_own_address(&place->view, place->names, &server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_addresses, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
