// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include "base/strings.h"
#include "check.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX64

static const struct {
	const char *text, *registry, *repository, *tag, *familiar, *full;
	bool has_digest;
} good[] = {
	{"busybox", "docker.io", "library/busybox", NULL, "busybox", "docker.io/library/busybox"},
	{"busybox:1.36", "docker.io", "library/busybox", "1.36", "busybox:1.36", "docker.io/library/busybox:1.36"},
	{"docker.io/busybox", "docker.io", "library/busybox", NULL, "busybox", "docker.io/library/busybox"},
	{"index.docker.io/library/busybox", "docker.io", "library/busybox", NULL, "busybox",
		"docker.io/library/busybox"},
	{"eclipse/mosquitto:2", "docker.io", "eclipse/mosquitto", "2", "eclipse/mosquitto:2",
		"docker.io/eclipse/mosquitto:2"},
	{"library/a/b", "docker.io", "library/a/b", NULL, "library/a/b", "docker.io/library/a/b"},
	{"docker.io/a.b/c", "docker.io", "a.b/c", NULL, "docker.io/a.b/c", "docker.io/a.b/c"},
	{"docker.io/library/" HEX64, "docker.io", "library/" HEX64, NULL, "docker.io/library/" HEX64,
		"docker.io/library/" HEX64},
	{"localhost/a", "localhost", "a", NULL, "localhost/a", "localhost/a"},
	{"localhost:5000/a", "localhost:5000", "a", NULL, "localhost:5000/a", "localhost:5000/a"},
	{"localhost:5000", "docker.io", "library/localhost", "5000", "localhost:5000",
		"docker.io/library/localhost:5000"},
	{"host:5000/a/b:t@" SHA, "host:5000", "a/b", "t", "host:5000/a/b:t@" SHA, "host:5000/a/b:t@" SHA, true},
	{"a@" SHA, "docker.io", "library/a", NULL, "a@" SHA, "docker.io/library/a@" SHA, true},
	{"Registry.Example/a", "Registry.Example", "a", NULL, "Registry.Example/a", "Registry.Example/a"},
	{"[::1]:5000/a:b", "[::1]:5000", "a", "b", "[::1]:5000/a:b", "[::1]:5000/a:b"},
	{"[fe80::1]/a", "[fe80::1]", "a", NULL, "[fe80::1]/a", "[fe80::1]/a"},
	{"10.0.0.1/a", "10.0.0.1", "a", NULL, "10.0.0.1/a", "10.0.0.1/a"},
	{"a.b_c__d-e---f0", "docker.io", "library/a.b_c__d-e---f0", NULL, "a.b_c__d-e---f0",
		"docker.io/library/a.b_c__d-e---f0"},
	{"a:_T-.0", "docker.io", "library/a", "_T-.0", "a:_T-.0", "docker.io/library/a:_T-.0"},
};

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		autoclear(Reference) reference = {0};
		check_ok(reference_parse(&reference, good[i].text));
		assert_string_equal(reference.registry, good[i].registry);
		assert_string_equal(reference.repository, good[i].repository);
		assert_true(string_equal(reference.tag, good[i].tag));
		assert_string_equal(reference.digest.text, good[i].has_digest ? SHA : "");
		check_text(reference_familiar(&reference), good[i].familiar);
		check_text(reference_full(&reference), good[i].full);
	}
}

/* What is written is read as the same again. */
static void round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		autoclear(Reference) reference = {0}, copy = {0};
		check_ok(reference_parse(&reference, good[i].full));
		check_text(reference_full(&reference), good[i].full);
		reference_copy(&copy, &reference);
		check_text(reference_familiar(&copy), good[i].familiar);
	}
}

static const struct {
	const char *text, *reason;
} bad[] = {
	{"A/b", "repository name must be lower case"},
	{"a/B:c", "repository name must be lower case"},
	{"/a", "repository name has an empty component"},
	{"a//b", "repository name has an empty component"},
	{"a/", "repository name has an empty component"},
	{":tag", "repository name is empty"},
	{"localhost:5000/", "repository name is empty"},
	{"a-", "repository name has a separator at the end of a component"},
	{"a_/b", "repository name has a separator at the end of a component"},
	{"-a", "repository name has separators where a letter or a digit must be"},
	{"a..b", "repository name has separators where a letter or a digit must be"},
	{"a___b", "repository name has separators where a letter or a digit must be"},
	{"a.-b", "repository name has separators where a letter or a digit must be"},
	{"a b", "repository name has a character that is not allowed"},
	{"a\xc3\xa4", "repository name has a character that is not allowed"},
	{"../../etc", "registry is no valid host name"},
	{"a/../b", "repository name has separators where a letter or a digit must be"},
	{"a:", "tag is empty"},
	{"a:-b", "tag must start with a letter, a digit or \"_\""},
	{"a:.b", "tag must start with a letter, a digit or \"_\""},
	{"a:b:c", "tag has a character that is not allowed"},
	{"a:b c", "tag has a character that is not allowed"},
	{"host:port/a", "registry port must be a number"},
	{"host:/a", "registry port must be a number"},
	{"host:123456/a", "registry port must be a number"},
	{"-host.x/a", "registry is no valid host name"},
	{"host-.x/a", "registry is no valid host name"},
	{"ho_st.x/a", "registry is no valid host name"},
	{"host..x/a", "registry is no valid host name"},
	{".x/a", "registry is no valid host name"},
	{"[::1/a", "registry address must end with \"]\""},
	{"[::e:0..e]:0/a", "registry is no valid IPv6 address"},
	{"[]:0/a", "registry is no valid IPv6 address"},
	{"[::1]x/a", "only a port may follow the registry address"},
	{HEX64, "a name of 64 hexadecimal digits would be taken for an image id"},
	{"a@sha256:00", "invalid digest \"sha256:00\": 64 hexadecimal digits in lower case must follow \"sha256:\""},
	{"a@", "invalid digest \"\": it must start with \"sha256:\" or \"sha512:\""},
	{"http://host/a", "registry port must be a number"},
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Reference reference = {0};
		autofree char *message = string_printf("invalid reference \"%s\": %s", bad[i].text, bad[i].reason);
		check_invalid(reference_parse(&reference, bad[i].text), message);
		assert_null(reference.registry);
	}
}

static char *repeated(const char *before, char c, size_t count)
{
	autofree char *many = calloc(count + 1, 1);

	memset(many, c, count);
	return string_printf("%s%s", before, many);
}

static void bounds(void **state)
{
	(void)state;
	autoclear(Reference) reference = {0};
	autofree char *tag = repeated("a:", 't', 128), *long_tag = repeated("a:", 't', 129);
	autofree char *name = repeated("h.x/", 'n', 255), *long_name = repeated("h.x/", 'n', 256),
		      *huge = repeated("", 'x', 100000);
	autofree char *tag_message =
		string_printf("invalid reference \"%s\": tag is longer than 128 characters", long_tag);
	autofree char *name_message =
		string_printf("invalid reference \"%s\": repository name is longer than 255 characters", long_name);

	autofree char *official = repeated("", 'n', 250);
	autofree char *official_message =
		string_printf("invalid reference \"%s\": repository name is longer than 255 characters", official);

	check_invalid(reference_parse(&reference, official), official_message);
	check_invalid(reference_parse(&reference, ""), "invalid reference \"\": it is empty");
	check_invalid(reference_parse(&reference, long_tag), tag_message);
	check_invalid(reference_parse(&reference, long_name), name_message);
	check_invalid(reference_parse(&reference, huge),
		"invalid reference \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\": it is longer than 1024 characters");
	check_ok(reference_parse(&reference, tag));
	reference_clear(&reference);
	check_ok(reference_parse(&reference, name));
}

static void default_tag(void **state)
{
	(void)state;
	autoclear(Reference) plain = {0}, tagged = {0}, pinned = {0};

	check_ok(reference_parse(&plain, "a"));
	check_ok(reference_parse(&tagged, "a:1"));
	check_ok(reference_parse(&pinned, "a@" SHA));
	reference_default_tag(&plain);
	reference_default_tag(&tagged);
	reference_default_tag(&pinned);
	assert_string_equal(plain.tag, "latest");
	assert_string_equal(tagged.tag, "1");
	assert_null(pinned.tag);
}

static const StringList names = {(char *[]){(char *)"busybox:latest", (char *)"docker.io/library/web:1",
					 (char *)"localhost:5000/a:b", (char *)"c@" SHA, (char *)"<none>:<none>", NULL},
	5};

static void among_names(void **state)
{
	(void)state;
	assert_string_equal(reference_among("busybox", &names), "busybox:latest");
	assert_string_equal(reference_among("docker.io/library/busybox:latest", &names), "busybox:latest");
	assert_string_equal(reference_among("web:1", &names), "docker.io/library/web:1");
	assert_string_equal(reference_among("localhost:5000/a:b", &names), "localhost:5000/a:b");
	assert_string_equal(reference_among("c:any@" SHA, &names), "c@" SHA);
	assert_null(reference_among("web", &names));
	assert_null(reference_among("c", &names));
	assert_null(reference_among("<none>:<none>", &names)); /* no name means another one that is none */
	assert_null(reference_among("busybox", &(StringList){0}));
}

static void names_before_ids(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool by_id, where_it_is_a_tag;
	} all[] = {
		{SHA, true, true},
		{HEX64, true, true},
		{"sha256:0123", true, false},
		{"01234567", true, false},
		{"01", true, false},
		{"0", false, false}, /* too little for an id */
		{"sha256:0", false, false},
		{"sha256:", false, false},
		{"sha256", false, false},
		{"s", false, false},
		{"02", false, false},
		{"sha512:0123", false, false},
		{HEX64 "0", false, false},
		{"", false, false},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		autoclear(StringList) tags = {0};
		assert_int_equal(reference_is_id(all[i].text, SHA, &names), all[i].by_id);
		strings_add(&tags, all[i].text);
		strings_printf(&tags, "%s:latest", all[i].text);
		assert_int_equal(reference_is_id(all[i].text, SHA, &tags), all[i].where_it_is_a_tag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds),
		cmocka_unit_test(default_tag),
		cmocka_unit_test(among_names),
		cmocka_unit_test(names_before_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
