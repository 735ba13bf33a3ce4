// SPDX-License-Identifier: Apache-2.0
#include "cni/version.h"

#include <stddef.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/strings.h"

typedef struct Version {
	const char *text;
	bool has_check, has_family;
} Version;

static const Version versions[] = {
	{"0.3.0", false, true},
	{"0.3.1", false, true},
	{"0.4.0", true, true},
	{"1.0.0", true, false},
};

static const Version *version_find(const char *text)
{
	for (size_t i = 0; i < COUNT(versions); i++)
		if (string_equal(versions[i].text, text))
			return &versions[i];
	return NULL;
}

fallible cni_version_check(const char *text)
{
	autoclear(Buffer) known = {0};

	if (version_find(text))
		return NULL;
	for (size_t i = 0; i < COUNT(versions); i++)
		buffer_printf(&known, "%s%s", i ? ", " : "", versions[i].text);
	return error_new(ERROR_INVALID, "\"%.100s\" is none of %s", text, buffer_text(&known));
}

bool cni_version_has_check(const char *text)
{
	const Version *version = version_find(text);

	return version && version->has_check;
}

bool cni_version_has_family(const char *text)
{
	const Version *version = version_find(text);

	return version && version->has_family;
}
