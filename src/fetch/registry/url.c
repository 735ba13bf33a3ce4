// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/url.h"

#include <curl/curl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/strings.h"

static CURLU *url_parse(const char *url)
{
	CURLU *parsed = curl_url();

	if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
		return parsed;
	curl_url_cleanup(parsed);
	return NULL;
}

static void parsed_free(CURLU **parsed)
{
	curl_url_cleanup(*parsed);
}
#define autourl __attribute__((cleanup(parsed_free))) CURLU *

static char *part(CURLU *parsed, CURLUPart which, unsigned flags)
{
	char *text = NULL;

	if (curl_url_get(parsed, which, &text, flags) != CURLUE_OK)
		return mem_strdup("");
	char *copy = mem_strdup(text);
	curl_free(text);
	return copy;
}

Error *url_resolve(char **ret, const char *base, const char *location)
{
	autourl parsed = base ? url_parse(base) : curl_url();

	if (!parsed || curl_url_set(parsed, CURLUPART_URL, location, 0) != CURLUE_OK)
		return error_new(ERROR_INVALID, "\"%.200s\" is no URL", location);
	autofree char *scheme = part(parsed, CURLUPART_SCHEME, 0);
	if (!string_equal(scheme, "http") && !string_equal(scheme, "https"))
		return error_new(ERROR_INVALID, "URL \"%.200s\" is neither http nor https", location);
	curl_url_set(parsed, CURLUPART_FRAGMENT, NULL, 0);
	curl_url_set(parsed, CURLUPART_USER, NULL, 0);
	curl_url_set(parsed, CURLUPART_PASSWORD, NULL, 0);
	*ret = part(parsed, CURLUPART_URL, 0);
	return NULL;
}

char *url_origin(const char *url)
{
	autourl parsed = url_parse(url);

	if (!parsed)
		return mem_strdup("");
	autofree char *scheme = part(parsed, CURLUPART_SCHEME, 0);
	autofree char *host = part(parsed, CURLUPART_HOST, 0);
	autofree char *port = part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	autofree char *origin = string_printf("%s://%s:%s", scheme, host, port);
	return string_lower(origin);
}

char *url_host(const char *url)
{
	autourl parsed = url_parse(url);

	if (!parsed)
		return mem_strdup("");
	autofree char *host = part(parsed, CURLUPART_HOST, 0);
	autofree char *port = part(parsed, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
	return string_printf("%s%s%s", host, *port ? ":" : "", port);
}

bool url_is_plain(const char *url)
{
	autofree char *origin = url_origin(url);

	return !string_starts(origin, "https://");
}

Error *url_add_query(char **slot, const char *name, const char *value)
{
	autourl parsed = url_parse(*slot);
	autofree char *pair = string_printf("%s=%s", name, value);

	if (!parsed || curl_url_set(parsed, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) != CURLUE_OK)
		return error_new(ERROR_INVALID, "\"%.200s\" is no URL", *slot);
	free(*slot);
	*slot = part(parsed, CURLUPART_URL, 0);
	return NULL;
}

void url_escape(char **ret, const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, strlen(text));

	*ret = mem_strdup(escaped ? escaped : "");
	curl_free(escaped);
}
