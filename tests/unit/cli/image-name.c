// SPDX-License-Identifier: Apache-2.0
#include "cli/image_name.h"

#include "check.h"

static const struct {
	const char *text, *registry, *name, *tag;
} cases[] = {
	{"busybox", "docker.io", "busybox", NULL},
	{"busybox:1.35", "docker.io", "busybox", "1.35"},
	{"library/busybox:1", "docker.io", "library/busybox", "1"},
	{"localhost/a", "localhost", "localhost/a", NULL},
	{"localhost:5000/a/b:c", "localhost:5000", "localhost:5000/a/b", "c"},
	{"localhost:5000/a", "localhost:5000", "localhost:5000/a", NULL},
	{"registry.example/a@sha256:0123", "registry.example", "registry.example/a", "sha256:0123"},
	{"registry.example/a:tag@sha256:0123", "registry.example", "registry.example/a", "sha256:0123"},
	{"a:b/c", "a:b", "a:b/c", NULL},
	{"", "docker.io", "", NULL},
	{":x", "docker.io", "", "x"},
};

static void split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoclear(ImageName) name = {0};
		image_name_split(&name, cases[i].text);
		assert_string_equal(name.registry, cases[i].registry);
		assert_string_equal(name.name, cases[i].name);
		if (cases[i].tag)
			assert_string_equal(name.tag, cases[i].tag);
		else
			assert_null(name.tag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(split)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
