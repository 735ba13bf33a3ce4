// SPDX-License-Identifier: Apache-2.0
#include "cli/template.h"

#include "check.h"

static const char document[] =
	"{\"Name\": \"web\", \"Id\": \"0123\", \"Empty\": \"\", \"Null\": null, \"No\": false, \"N\": 3, \"Real\": 1.5,"
	" \"State\": {\"Status\": \"running\", \"Pid\": 7}, \"Cmd\": [\"sh\", \"-c\", \"a b\"], \"None\": [],"
	" \"Labels\": {\"b.x\": \"2\", \"a\": \"1\"}, \"Mounts\": [{\"Source\": \"/s\"}, {\"Source\": \"/t\"}]}";

static Error *execute(char **ret, const char *template)
{
	autoptr(Value) value = NULL;
	autoclear(Buffer) out = {0};

	TRY(value_parse(&value, document, strlen(document)));
	TRY(template_execute(&out, template, value));
	*ret = buffer_steal(&out);
	return NULL;
}

static void check_gives(const char *template, const char *expected)
{
	autofree char *text = NULL;

	check_ok(template_check(template));
	check_ok(execute(&text, template));
	assert_string_equal(text, expected);
}

/* Wrong in the text itself: seen without a value too. */
static void check_wrong(const char *template, const char *message)
{
	autofree char *text = NULL, *whole = NULL;

	assert_true(asprintf(&whole, "template \"%s\": %s", template, message) > 0);
	check_invalid(template_check(template), whole);
	check_invalid(execute(&text, template), whole);
}

/* Right, but not for this value. */
static void check_fails(const char *template, const char *message)
{
	autofree char *text = NULL, *whole = NULL;

	assert_true(asprintf(&whole, "template \"%s\": %s", template, message) > 0);
	check_ok(template_check(template));
	check_invalid(execute(&text, template), whole);
}

static void fields(void **state)
{
	(void)state;
	check_gives("", "");
	check_gives("plain } text {", "plain } text {");
	check_gives("{{.Name}} {{ .State.Status }}!", "web running!");
	check_gives("{{.N}} {{.Real}} {{.No}} {{.Null}}", "3 1.5 false <no value>");
	check_gives("{{.Cmd}} {{.Labels}} {{.None}}", "[sh -c a b] map[a:1 b.x:2] []");
	check_gives("{{with .State}}{{.Pid}}{{$.Name}}{{end}}", "7web");
	check_gives("{{\"a\\tb\"}}{{`c\\d`}}{{42}}{{true}}", "a\tbc\\d42true");
	check_fails("{{.Nope}}", "there is no field \".Nope\"");
	check_fails("{{.State.Nope.More}}", "there is no field \".State.Nope.More\"");
	check_fails("{{.Name.Status}}", "there is no field \".Name.Status\"");
}

static void functions(void **state)
{
	(void)state;
	check_gives("{{json .State}}", "{\"Status\":\"running\",\"Pid\":7}");
	check_gives("{{.Name | upper | json}}", "\"WEB\"");
	check_gives("{{join .Cmd \",\"}}", "sh,-c,a b");
	check_gives("{{index .Labels \"b.x\"}}{{index .Labels \"none\"}}{{index .Cmd 1}}", "2-c");
	check_gives("{{(index .Mounts 1).Source}}", "/t");
	check_gives("{{.Labels \"a\"}}", "1");
	check_gives("{{len .Cmd}} {{len .Name}} {{len .None}}", "3 3 0");
	check_gives("{{index (split \"a,b,c\" \",\") 2}}", "c");
	check_gives("{{println .Name .N}}{{print .Name .N}}", "web 3\nweb3");
	check_gives("{{eq .Name \"x\" \"web\"}} {{ne .N 3}} {{not .Empty}} {{and .Name .Empty}}|{{or .Empty .Name}}",
		"true false true |web");
	check_fails("{{index .Cmd 3}}", "function \"index\": 3 is outside of a list of 3");
	check_fails("{{index .Cmd -1}}", "function \"index\": -1 is outside of a list of 3");
	check_fails("{{upper .N}}", "function \"upper\" needs a string, not number");
	check_fails("{{len .N}}", "function \"len\" needs a string or a list, not number");
}

static void choices(void **state)
{
	(void)state;
	check_gives("{{if .Name}}yes{{else}}no{{end}}", "yes");
	check_gives("{{if .Empty}}yes{{else}}no{{end}}", "no");
	check_gives("{{if .Empty}}a{{else if .Null}}b{{else if .N}}c{{else}}d{{end}}", "c");
	check_gives("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none");
	check_gives("{{if .No}}{{.Nope}}{{range .Nope}}{{end}}{{end}}.", ".");
	check_gives("{{with .Nope}}{{.X}}{{else}}without{{end}}", "without");
	check_gives("{{if and .Name (eq .N 3)}}both{{end}}", "both");
}

static void ranges(void **state)
{
	(void)state;
	check_gives("{{range .Cmd}}<{{.}}>{{end}}", "<sh><-c><a b>");
	check_gives("{{range .None}}x{{else}}empty{{end}}", "empty");
	check_gives("{{range .Nope}}x{{else}}empty{{end}}", "empty");
	check_gives("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=1;b.x=2;");
	check_gives("{{range $i, $m := .Mounts}}{{$i}}{{$m.Source}}{{end}}", "0/s1/t");
	check_gives("{{range $m := .Mounts}}{{range $.Cmd}}{{$m.Source}}{{.}} {{end}}{{end}}",
		"/ssh /s-c /sa b /tsh /t-c /ta b ");
	check_fails("{{range .Name}}{{end}}", "range needs a list, not string");
}

static void trimming(void **state)
{
	(void)state;
	check_gives("a \n {{- .Name -}} \n b", "awebb");
	check_gives("a{{/* nothing */}}b {{- /* here */ -}} c", "abc");
	check_gives("{{if .Name -}} x {{- end}}", "x");
}

static void ill_formed(void **state)
{
	(void)state;
	check_wrong("{{.Name", "the template ends where \"}}\" should be");
	check_wrong("{{}}", "there is \"}}\" where a value should be");
	check_wrong("{{nope .Name}}", "there is no function \"nope\"");
	check_wrong("{{if .Name}}", "an {{end}} is missing");
	check_wrong("{{end}}", "there is an {{end}} too many");
	check_wrong("{{else}}", "there is an {{else}} too many");
	check_wrong("{{if .Name}}{{else}}{{else}}{{end}}", "there is a second {{else}}");
	check_wrong("{{\"open}}", "a string is not closed");
	check_wrong("{{(.Name}}", "there is \"}}\" where \")\" should be");
	check_wrong("{{$x}}", "there is no variable \"$x\"");
	check_wrong("{{range $x := .Cmd}}{{end}}{{$x}}", "there is no variable \"$x\"");
	check_wrong("{{/* open", "a comment is not closed");
	check_wrong("{{join .Cmd}}", "function \"join\" takes 2 arguments, not 1");
}

static void bounds(void **state)
{
	autoclear(Buffer) deep = {0}, long_one = {0};
	autofree char *text = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buffer_add_text(&deep, "{{if .Name}}");
	Error *error = template_check(buffer_text(&deep));
	assert_non_null(strstr(error_message(error), "it is nested more than 16 deep"));
	error_free(error);

	for (int i = 0; i < 12; i++) /* 3^12 turns and more */
		buffer_add_text(&long_one, "{{range $.Cmd}}{{.}}");
	for (int i = 0; i < 12; i++)
		buffer_add_text(&long_one, "{{end}}");
	error = execute(&text, buffer_text(&long_one));
	assert_non_null(strstr(error_message(error), "it takes more than 1000000 steps"));
	error_free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(functions),
		cmocka_unit_test(choices),
		cmocka_unit_test(ranges),
		cmocka_unit_test(trimming),
		cmocka_unit_test(ill_formed),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
