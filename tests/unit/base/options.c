// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include "check.h"

typedef struct Settings {
	bool detach, quiet;
	char *name;
	int64_t retries, memory, swap, cpus, timeout, wait;
	StringList env;
} Settings;

static const Option table[] = {
	{.kind = OPTION_HEADING, .help = "Running:"},
	{"detach", 'd', OPTION_SWITCH, offsetof(Settings, detach), .help = "run in the background"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(Settings, quiet), .help = "say less"},
	{"name", 'n', OPTION_STRING, offsetof(Settings, name), "NAME", "what to call it"},
	{"retries", 0, OPTION_INT, offsetof(Settings, retries), "COUNT", "how often to try again before it is given up",
		0, 9},
	{.name = "resources", .kind = OPTION_HEADING},
	{"memory", 'm', OPTION_BYTES, offsetof(Settings, memory), "BYTES", "limit"},
	{"memory-swap", 0, OPTION_BYTES, offsetof(Settings, swap), "BYTES", "limit with swap", .min = -1},
	{"cpus", 0, OPTION_NANO, offsetof(Settings, cpus), "NUMBER", "limit"},
	{"timeout", 't', OPTION_DURATION, offsetof(Settings, timeout), "DURATION", "then give up"},
	{"wait", 'w', OPTION_DURATION, offsetof(Settings, wait), "TIMEOUT", "until it is there", .alone = "10m"},
	{"env", 'e', OPTION_LIST, offsetof(Settings, env), "NAME=VALUE", "set a variable"},
	{"isolation", 0, OPTION_REFUSED, 0, "NAME", "it is for Windows"},
	{"oom-kill-disable", 0, OPTION_REFUSED, 0, .help = "it hangs the device"},
	OPTION_END,
};

static Settings settings;
static StringList arguments;

static int forget(void **state)
{
	(void)state;
	options_clear(table, &settings);
	strings_clear(&arguments);
	settings = (Settings){0};
	return 0;
}

/* Words are separated by spaces. */
static Error *parse(const char *line, int flags)
{
	autoclear(StringList) words = {0};

	forget(NULL);
	strings_split(&words, line, ' ');
	return options_parse(table, &settings, (int)words.count, words.items, flags, &arguments);
}

static void check_arguments(const char *expected)
{
	check_text(strings_join(&arguments, " "), expected);
}

static void reads_every_form(void **state)
{
	(void)state;
	check_ok(
		parse("-dq --name=web -m64m --memory-swap -1 --cpus 1.5 -t 1m30s -e A=1 --env B=2 --retries 3 x y", 0));
	assert_true(settings.detach && settings.quiet);
	assert_string_equal(settings.name, "web");
	assert_int_equal(settings.memory, 64 << 20);
	assert_int_equal(settings.swap, -1);
	assert_int_equal(settings.cpus, 1500000000);
	assert_int_equal(settings.timeout, INT64_C(90000000000));
	assert_int_equal(settings.retries, 3);
	check_text(strings_join(&settings.env, " "), "A=1 B=2");
	check_arguments("x y");
	check_ok(parse("-dn web -qm=1k --name= --detach=false", 0));
	assert_false(settings.detach);
	assert_string_equal(settings.name, "");
	assert_int_equal(settings.memory, 1024);
	check_ok(parse("--wait x", 0)); /* a value of it must be attached */
	assert_int_equal(settings.wait, INT64_C(600000000000));
	check_arguments("x");
	check_ok(parse("-w --wait=2s -w3s", 0));
	assert_int_equal(settings.wait, INT64_C(3000000000));
	check_ok(parse("-d --detach=true --quiet=0", 0));
	assert_true(settings.detach);
	check_ok(parse("", 0));
	assert_int_equal(arguments.count, 0);
	check_ok(parse("-d=false --name -x", 0)); /* a value may look like an option */
	assert_string_equal(settings.name, "-x");
}

static void knows_where_options_end(void **state)
{
	(void)state;
	check_ok(parse("image -d cmd -- -q --name", 0));
	assert_true(settings.detach && !settings.quiet);
	check_arguments("image cmd -q --name");
	check_ok(parse("-d image -q -- --name", OPTIONS_STOP_AT_ARGUMENT));
	assert_true(settings.detach && !settings.quiet);
	check_arguments("image -q -- --name");
	check_ok(parse("-- -d", OPTIONS_STOP_AT_ARGUMENT));
	check_arguments("-d");
	check_ok(parse("- -d", 0)); /* standard input is an argument */
	check_arguments("-");
	assert_true(settings.detach);
}

static void names_the_option_in_errors(void **state)
{
	(void)state;
	check_invalid(
		parse("--memory lots", 0), "option \"--memory\": \"lots\" is not a size such as 512, 64m or 1.5g");
	check_invalid(parse("-m -1", 0), "option \"--memory\": \"-1\" is not a size such as 512, 64m or 1.5g");
	check_invalid(parse("--memory-swap -2", 0),
		"option \"--memory-swap\": \"-2\" is not a size such as 512, 64m or 1.5g");
	check_invalid(parse("--retries 10", 0), "option \"--retries\": 10 is not between 0 and 9");
	check_invalid(parse("--retries x", 0), "option \"--retries\": \"x\" is not a whole number");
	check_invalid(parse("--detach=maybe", 0), "option \"--detach\": \"maybe\" is neither true nor false");
	check_invalid(parse("-d --name", 0), "option \"--name\" needs a value: NAME");
	check_invalid(parse("-dm", 0), "option \"--memory\" needs a value: BYTES");
	check_invalid(parse("-dx", 0), "unknown option \"-x\"");
}

static void check_hint(const char *line, const char *message, const char *hint)
{
	Error *error = parse(line, 0);

	assert_string_equal(error_message(error), message);
	if (hint)
		assert_string_equal(error_hint_text(error), hint);
	else
		assert_null(error_hint_text(error));
	error_free(error);
}

static void guesses_what_was_meant(void **state)
{
	(void)state;
	check_hint("--detahc=1", "unknown option \"--detahc\"", "did you mean \"--detach\"?");
	check_hint("--memroy 5", "unknown option \"--memroy\"", "did you mean \"--memory\"?");
	check_hint("--memory-swa", "unknown option \"--memory-swa\"", "did you mean \"--memory-swap\"?");
	check_hint("--nam", "unknown option \"--nam\"", "did you mean \"--name\"?"); /* no prefix matching */
	check_hint("--foo", "unknown option \"--foo\"", NULL);
	check_hint("--resources", "unknown option \"--resources\"", NULL); /* a heading */
	check_hint("---detach", "unknown option \"---detach\"", "did you mean \"--detach\"?");
}

static void refuses_with_a_reason(void **state)
{
	(void)state;
	check_error(parse("--isolation hyperv", 0), ERROR_UNSUPPORTED,
		"option \"--isolation\" is not available: it is for Windows");
	check_error(parse("--oom-kill-disable", 0), ERROR_UNSUPPORTED,
		"option \"--oom-kill-disable\" is not available: it hangs the device");
}

static void the_last_value_counts(void **state)
{
	(void)state;
	check_ok(parse("--name a -n b --retries 1 --retries 2", 0));
	assert_string_equal(settings.name, "b");
	assert_int_equal(settings.retries, 2);
}

static void writes_help(void **state)
{
	autoclear(Buffer) help = {0};

	(void)state;
	options_help(table, &help, 60);
	assert_string_equal(buffer_text(&help), "Running:\n"
						"  -d, --detach             run in the background\n"
						"  -q, --quiet              say less\n"
						"  -n, --name NAME          what to call it\n"
						"      --retries COUNT      how often to try again before it\n"
						"                           is given up\n"
						"\n"
						"resources\n"
						"  -m, --memory BYTES       limit\n"
						"      --memory-swap BYTES  limit with swap\n"
						"      --cpus NUMBER        limit\n"
						"  -t, --timeout DURATION   then give up\n"
						"  -w, --wait[=TIMEOUT]     until it is there\n"
						"  -e, --env NAME=VALUE     set a variable\n");
}

static void help_survives_narrow_terminals(void **state)
{
	static const Option wide[] = {
		{"a-name-that-is-longer-than-the-column", 0, OPTION_STRING, 0, "AND-ITS-VALUE", "one two"},
		OPTION_END,
	};
	autoclear(Buffer) help = {0};

	(void)state;
	options_help(wide, &help, 10);
	assert_string_equal(buffer_text(&help), "      --a-name-that-is-longer-than-the-column AND-ITS-VALUE\n"
						"                                one\n"
						"                                two\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(reads_every_form, forget),
		cmocka_unit_test_teardown(knows_where_options_end, forget),
		cmocka_unit_test_teardown(names_the_option_in_errors, forget),
		cmocka_unit_test_teardown(guesses_what_was_meant, forget),
		cmocka_unit_test_teardown(refuses_with_a_reason, forget),
		cmocka_unit_test_teardown(the_last_value_counts, forget),
		cmocka_unit_test(writes_help),
		cmocka_unit_test(help_survives_narrow_terminals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
