// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.h"

#include "base/strings.h"
#include "check.h"

static void parses(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"linux/amd64", "linux/amd64"},
		{"LINUX/AMD64", "linux/amd64"},
		{"linux/x86_64", "linux/amd64"},
		{"amd64", "linux/amd64"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3"},
		{"aarch64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/arm64/8", "linux/arm64"},
		{"linux/arm64/v9", "linux/arm64/v9"},
		{"arm", "linux/arm/v7"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/6", "linux/arm/v6"},
		{"armhf", "linux/arm/v7"},
		{"armel", "linux/arm/v6"},
		{"linux/armv7l", "linux/arm/v7"},
		{"linux/i686", "linux/386"},
		{"windows/amd64", "windows/amd64"},
		{"riscv64", "linux/riscv64"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoclear(Platform) platform = {0};
		check_ok(platform_parse(&platform, cases[i][0]));
		check_text(platform_text(&platform), cases[i][1]);
	}
}

static void refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "/", "linux/", "/amd64", "linux/amd64/v1/x", "linux amd64", "li\nux/amd64"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Platform platform = {0};
		autofree char *message = string_printf(
			"invalid platform \"%s\": it must be OS/ARCHITECTURE[/VARIANT], such as \"linux/arm/v7\"",
			bad[i]);
		check_invalid(platform_parse(&platform, bad[i]), message);
	}
}

/* Columns fall: each image fits worse than the one before it, until those that do not run at all. */
static const struct {
	const char *wanted;
	const char *fits[6], *fits_not[5];
} orders[] = {
	{"linux/amd64", {"linux/amd64", "linux/386"},
		{"linux/amd64/v3", "linux/arm64", "windows/amd64", "linux/amd64/fancy"}},
	{"linux/amd64/v3", {"linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"}, {"linux/amd64/v4"}},
	{"linux/arm64", {"linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
		{"linux/arm64/v9", "linux/amd64"}},
	{"linux/arm/v7", {"linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
		{"linux/arm64", "linux/arm/v8", "linux/386"}},
	{"linux/arm/v6", {"linux/arm/v6", "linux/arm/v5"}, {"linux/arm/v7", "linux/arm"}},
	{"linux/386", {"linux/386"}, {"linux/amd64"}},
	{"linux/mips64le/hardfloat", {"linux/mips64le/hardfloat", "linux/mips64le"}, {"linux/mips64le/softfloat"}},
};

static int score(const char *wanted, const char *image)
{
	autoclear(Platform) a = {0}, b = {0};

	check_ok(platform_parse(&a, wanted));
	check_ok(platform_parse(&b, image));
	return platform_score(&a, &b);
}

static void scores(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		int last = 1000;
		for (size_t j = 0; j < 6 && orders[i].fits[j]; j++) {
			int now = score(orders[i].wanted, orders[i].fits[j]);
			assert_in_range(now, 1, last - 1);
			last = now;
		}
		for (size_t j = 0; j < 5 && orders[i].fits_not[j]; j++)
			assert_int_equal(score(orders[i].wanted, orders[i].fits_not[j]), 0);
	}
}

static void names_of_images_are_normalised(void **state)
{
	(void)state;
	autoclear(Platform) wanted = {0};
	static char os[] = "Linux", architecture[] = "aarch64", variant[] = "8";
	Platform image = {.os = os, .architecture = architecture, .variant = variant}, none = {0};

	check_ok(platform_parse(&wanted, "arm64"));
	assert_int_equal(platform_score(&wanted, &image), 100);
	assert_int_equal(platform_score(&wanted, &none), 0);
}

static void host_is_what_it_runs_best(void **state)
{
	(void)state;
	autoclear(Platform) host = {0};

	platform_host(&host);
	assert_string_equal(host.os, "linux");
	assert_int_equal(platform_score(&host, &host), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(scores),
		cmocka_unit_test(names_of_images_are_normalised),
		cmocka_unit_test(host_is_what_it_runs_best),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
