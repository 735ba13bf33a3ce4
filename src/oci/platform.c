// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "base/strings.h"

enum { PLATFORM_TEXT_MAX = 128 };

/* Names that uname(2) and other tools use, in the words of the specification (Go's). */
static const struct {
	const char *name, *architecture, *variant;
} aliases[] = {
	{"x86_64", "amd64", NULL},
	{"x86-64", "amd64", NULL},
	{"i386", "386", NULL},
	{"i486", "386", NULL},
	{"i586", "386", NULL},
	{"i686", "386", NULL},
	{"x86", "386", NULL},
	{"aarch64", "arm64", NULL},
	{"armhf", "arm", "v7"},
	{"armv8l", "arm", "v7"},
	{"armv7l", "arm", "v7"},
	{"armv6l", "arm", "v6"},
	{"armel", "arm", "v6"},
	{"armv5tel", "arm", "v5"},
	{"armv5tejl", "arm", "v5"},
	{"mips64", "mips64", NULL},
	{"loongarch64", "loong64", NULL},
};

static const char *const systems[] = {"linux", "windows", "darwin", "freebsd"};

/* What a variant means when none is said: it is left out of the normal form. */
static const struct {
	const char *architecture, *variant;
} silent_variants[] = {{"arm64", "v8"}, {"amd64", "v1"}};

static void normalise_variant(Platform *platform)
{
	if (platform->variant && strlen(platform->variant) == 1 && strchr("123456789", *platform->variant)) {
		char text[] = {'v', *platform->variant, '\0'};
		string_replace(&platform->variant, text);
	}
	for (size_t i = 0; i < sizeof(silent_variants) / sizeof(silent_variants[0]); i++)
		if (string_equal(platform->architecture, silent_variants[i].architecture) &&
			string_equal(platform->variant, silent_variants[i].variant))
			string_replace(&platform->variant, NULL);
	if (string_equal(platform->architecture, "arm") && !platform->variant)
		platform->variant = mem_strdup("v7");
}

static void normalise(Platform *platform)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (!string_equal(platform->architecture, aliases[i].name))
			continue;
		string_replace(&platform->architecture, aliases[i].architecture);
		if (!platform->variant && aliases[i].variant)
			platform->variant = mem_strdup(aliases[i].variant);
		break;
	}
	if (string_empty(platform->variant))
		string_replace(&platform->variant, NULL);
	normalise_variant(platform);
}

static bool is_plausible(const StringList *parts)
{
	if (parts->count < 1 || parts->count > 3)
		return false;
	for (size_t i = 0; i < parts->count; i++)
		if (!*parts->items[i] ||
			strspn(parts->items[i], "abcdefghijklmnopqrstuvwxyz0123456789_.-") != strlen(parts->items[i]))
			return false;
	return true;
}

/* One word is an operating system if it is a known one, else an architecture. */
static void from_word(Platform *ret, const char *word)
{
	if (names_find(systems, sizeof(systems) / sizeof(systems[0]), word) >= 0) {
		platform_host(ret);
		string_replace(&ret->os, word);
		return;
	}
	ret->os = mem_strdup("linux");
	ret->architecture = mem_strdup(word);
}

fallible platform_parse(Platform *ret, const char *text)
{
	autofree char *lower = string_lower(text);
	autoclear(StringList) parts = {0};
	Platform parsed = {0};

	strings_split(&parts, lower, '/');
	if (strlen(text) > PLATFORM_TEXT_MAX || !is_plausible(&parts))
		return error_new(ERROR_INVALID,
			"invalid platform \"%.128s\": it must be OS/ARCHITECTURE[/VARIANT], such as \"linux/arm/v7\"",
			text);
	if (parts.count == 1) {
		from_word(&parsed, parts.items[0]);
	} else {
		parsed.os = mem_strdup(parts.items[0]);
		parsed.architecture = mem_strdup(parts.items[1]);
		parsed.variant = mem_strdup(parts.count == 3 ? parts.items[2] : NULL);
	}
	normalise(&parsed);
	*ret = parsed;
	return NULL;
}

void platform_host(Platform *ret)
{
	struct utsname host;

	uname(&host);
	*ret = (Platform){.os = mem_strdup("linux"), .architecture = mem_strdup(host.machine)};
	normalise(ret);
}

void platform_clear(Platform *platform)
{
	free(platform->os);
	free(platform->architecture);
	free(platform->variant);
	*platform = (Platform){0};
}

char *platform_text(const Platform *platform)
{
	return string_printf("%s/%s%s%s", platform->os ? platform->os : "unknown",
		platform->architecture ? platform->architecture : "unknown", platform->variant ? "/" : "",
		platform->variant ? platform->variant : "");
}

/* "v7" -> 7; without one, what the bare architecture means. */
static int variant_level(const Platform *platform)
{
	if (platform->variant && platform->variant[0] == 'v' && platform->variant[1] >= '1' &&
		platform->variant[1] <= '9' && !platform->variant[2])
		return platform->variant[1] - '0';
	if (platform->variant)
		return 0;
	if (string_equal(platform->architecture, "arm"))
		return 7;
	return string_equal(platform->architecture, "arm64") ? 8 : 1;
}

static bool has_levels(const char *architecture)
{
	return string_equal(architecture, "arm") || string_equal(architecture, "arm64") ||
	       string_equal(architecture, "amd64");
}

/* The older instruction set that a machine usually runs too (containerd's order). */
static bool runs_older(const Platform *wanted, const Platform *image)
{
	if (string_equal(wanted->architecture, "amd64"))
		return string_equal(image->architecture, "386");
	return string_equal(wanted->architecture, "arm64") && string_equal(image->architecture, "arm");
}

enum { SCORE_EXACT = 100, SCORE_OLDER = 20 };

static int score_normal(const Platform *wanted, const Platform *image)
{
	if (!string_equal(wanted->os, image->os))
		return 0;
	if (!string_equal(wanted->architecture, image->architecture)) {
		if (!runs_older(wanted, image))
			return 0;
		return string_equal(image->architecture, "386") ? SCORE_OLDER : SCORE_OLDER - 9 + variant_level(image);
	}
	if (!has_levels(wanted->architecture))
		return string_equal(wanted->variant, image->variant) ? SCORE_EXACT
		       : image->variant                              ? 0
								     : SCORE_EXACT - 1;
	int lead = variant_level(wanted) - variant_level(image);
	return variant_level(image) == 0 || lead < 0 ? 0 : SCORE_EXACT - lead;
}

static void copy_normal(Platform *ret, const Platform *from)
{
	ret->os = string_lower(from->os ? from->os : "");
	ret->architecture = string_lower(from->architecture ? from->architecture : "");
	ret->variant = from->variant ? string_lower(from->variant) : NULL;
	normalise(ret);
}

int platform_score(const Platform *wanted, const Platform *image)
{
	autoclear(Platform) normal_wanted = {0}, normal_image = {0};

	copy_normal(&normal_wanted, wanted);
	copy_normal(&normal_image, image);
	return score_normal(&normal_wanted, &normal_image);
}
