// SPDX-License-Identifier: Apache-2.0
/* --subnet, --ip-range, --gateway and --aux-address, sorted by subnet. */
#include "cli/ipam_option.h"

#include "check.h"

/* words: "subnet|range|gateway|auxiliary", each a list with commas; the caller gives the answer free. */
static Error *sort_words(char **ret, const char *words)
{
	autoclear(StringList) parts = {0};
	autoclear(Buffer) out = {0};
	IpamOptions options = {0};
	StringList *lists[] = {&options.subnets, &options.ranges, &options.gateways, &options.auxiliary};
	Writer writer;

	strings_split(&parts, words, '|');
	for (size_t i = 0; i < parts.count; i++)
		strings_split(lists[i], parts.items[i], ',');
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	Error *error = ipam_options_write(&writer, &options);
	write_object_end(&writer);
	for (size_t i = 0; i < 4; i++)
		strings_clear(lists[i]);
	if (!error)
		*ret = buffer_steal(&out);
	return error;
}

static void check_sorted(const char *words, const char *config)
{
	autofree char *text = NULL;
	autofree char *expected = string_printf("{\"IPAM\":{\"Driver\":\"default\",\"Config\":[%s]}}", config);

	check_ok(sort_words(&text, words));
	assert_string_equal(text, expected);
}

static void check_refused(const char *words, const char *message)
{
	autofree char *text = NULL;

	check_invalid(sort_words(&text, words), message);
}

static void sorted(void **state)
{
	(void)state;
	check_sorted("", "");
	check_sorted("10.1.0.0/16", "{\"Subnet\":\"10.1.0.0/16\"}");
	check_sorted("10.1.0.0/16,2001:db8::/64||2001:db8::1,10.1.0.9|a=10.1.0.7,b=10.1.0.8",
		"{\"Subnet\":\"10.1.0.0/16\",\"Gateway\":\"10.1.0.9\",\"AuxiliaryAddresses\":{\"a\":\"10.1.0.7\",\"b\":"
		"\"10.1.0.8\"}},{\"Subnet\":\"2001:db8::/64\",\"Gateway\":\"2001:db8::1\"}");
	check_sorted("10.1.0.0/16,10.2.0.0/16|10.2.5.0/24,10.1.4.0/24",
		"{\"Subnet\":\"10.1.0.0/16\",\"IPRange\":\"10.1.4.0/24\"},{\"Subnet\":\"10.2.0.0/"
		"16\",\"IPRange\":\"10.2.5.0/"
		"24\"}");
}

static void refused(void **state)
{
	(void)state;
	check_refused("10.1.0.0/16,10.1.3.0/24", "option \"--subnet\": \"10.1.0.0/16\" and \"10.1.3.0/24\" overlap");
	check_refused(
		"|10.1.3.0/24", "option \"--ip-range\": \"10.1.3.0/24\" is in none of the subnets of \"--subnet\"");
	check_refused("10.1.0.0/16||10.2.0.1",
		"option \"--gateway\": \"10.2.0.1\" is in none of the subnets of \"--subnet\"");
	check_refused("10.1.0.0/16||10.1.0.1,10.1.0.2",
		"option \"--gateway\": \"10.1.0.1\" and \"10.1.0.2\" are both in \"10.1.0.0/16\"");
	check_refused(
		"10.1.0.0/16|||10.1.0.1", "option \"--aux-address\": \"10.1.0.1\" is not of the form NAME=ADDRESS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
