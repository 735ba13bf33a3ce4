// SPDX-License-Identifier: Apache-2.0
#include "base/words.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { PORT_MAX = 65535 };

/* ---- ports ---- */

/* "80" or "80-90" */
static fallible read_range(int64_t *ret_first, int64_t *ret_last, const char *text)
{
	size_t dash = strcspn(text, "-");
	autofree char *from = mem_strndup(text, dash);
	int64_t first, last;

	TRY(string_to_int64(&first, from, 0, PORT_MAX));
	TRY(string_to_int64(&last, text[dash] ? text + dash + 1 : from, first, PORT_MAX));
	*ret_first = first;
	*ret_last = last;
	return NULL;
}

fallible port_word_parse_inside(PortWord *ret, const char *text)
{
	static const char *const protocols[] = {"tcp", "udp", "sctp"};
	size_t length = strcspn(text, "/");
	autofree char *range = mem_strndup(text, length);
	autofree char *protocol = string_lower(text[length] && text[length + 1] ? text + length + 1 : "tcp");
	int index = names_find(protocols, COUNT(protocols), protocol);

	if (!*range)
		return error_new(ERROR_INVALID, "it names no port of the container");
	if (index < 0)
		return error_new(ERROR_INVALID, "\"%s\" is none of tcp, udp and sctp", protocol);
	TRY(read_range(&ret->first, &ret->last, range));
	ret->protocol = protocols[index];
	return NULL;
}

static fallible read_host(PortWord *ret, const char *text, size_t length)
{
	bool is_bracketed = length > 1 && text[0] == '[' && text[length - 1] == ']';
	struct in6_addr address;

	ret->host = is_bracketed ? mem_strndup(text + 1, length - 2) : mem_strndup(text, length);
	if (*ret->host && inet_pton(AF_INET, ret->host, &address) != 1 && inet_pton(AF_INET6, ret->host, &address) != 1)
		return error_new(ERROR_INVALID, "\"%s\" is no address", ret->host);
	return NULL;
}

static fallible check_counts(const PortWord *word)
{
	int64_t ports = word->last - word->first, host_ports = word->host_last - word->host_first;

	if (word->host_first < 0 || ports == host_ports || ports == 0)
		return NULL;
	return error_new(ERROR_INVALID, "the two ranges of ports are not equally long");
}

/* From the right: the container's ports, the host's, its address. */
static fallible read_ports(PortWord *ret, const char *text)
{
	const char *colon = strrchr(text, ':'), *before = colon;

	ret->host_first = ret->host_last = -1;
	TRY(port_word_parse_inside(ret, colon ? colon + 1 : text));
	while (before && before > text && before[-1] != ':')
		before--;
	autofree char *host_ports = colon ? mem_strndup(before, (size_t)(colon - before)) : NULL;
	if (!string_empty(host_ports))
		TRY(read_range(&ret->host_first, &ret->host_last, host_ports));
	TRY(read_host(ret, text, before && before > text ? (size_t)(before - 1 - text) : 0));
	return check_counts(ret);
}

fallible port_word_parse(PortWord *ret, const char *text)
{
	autoclear(PortWord) word = {0};

	TRY(read_ports(&word, text));
	*ret = word;
	word.host = NULL;
	return NULL;
}

void port_word_clear(PortWord *word)
{
	free(word->host);
	*word = (PortWord){0};
}

/* ---- devices ---- */

static bool are_permissions(const char *text)
{
	return text[0] && strspn(text, "rwm") == strlen(text);
}

enum { DEVICE_NAME_MAX = 512 };

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* One part of a name: it begins with one of these, goes on with those, and ends with a letter or a digit. */
static bool is_part(const char *text, size_t length, const char *first, const char *rest)
{
	return length > 0 && strchr(first, text[0]) && strspn(text, rest) >= length &&
	       strchr(LETTERS DIGITS, text[length - 1]);
}

/* Source: container-device-interface, SPEC.md, "Kind" and "Device names". */
bool device_word_is_cdi(const char *text)
{
	const char *slash = strchr(text, '/'), *equals = slash ? strchr(slash, '=') : NULL;

	if (!equals || strlen(text) > DEVICE_NAME_MAX)
		return false;
	return is_part(text, (size_t)(slash - text), LETTERS, LETTERS DIGITS "_-.") &&
	       is_part(slash + 1, (size_t)(equals - slash - 1), LETTERS, LETTERS DIGITS "_-.") &&
	       is_part(equals + 1, strlen(equals + 1), LETTERS DIGITS, LETTERS DIGITS "_-.:");
}

fallible device_word_parse(DeviceWord *ret, const char *text)
{
	autoclear(StringList) parts = {0};

	strings_split(&parts, text, ':');
	bool second_permits = parts.count == 2 && are_permissions(parts.items[1]);
	if (parts.count == 0 || parts.count > 3 || !parts.items[0][0] ||
		(parts.count == 3 && !are_permissions(parts.items[2])))
		return error_new(ERROR_INVALID, "\"%s\" is not of the form PATH[:TARGET[:rwm]]", text);
	ret->path = mem_strdup(parts.items[0]);
	ret->target = mem_strdup(parts.items[parts.count > 1 && !second_permits]);
	ret->permissions = mem_strdup(parts.count == 3 ? parts.items[2] : second_permits ? parts.items[1] : "rwm");
	return NULL;
}

void device_word_clear(DeviceWord *word)
{
	free(word->path);
	free(word->target);
	free(word->permissions);
	*word = (DeviceWord){0};
}

/* ---- limits ---- */

fallible ulimit_word_parse(char **ret_name, int64_t *ret_soft, int64_t *ret_hard, const char *text)
{
	const char *equals = strchr(text, '='), *colon = equals ? strchr(equals, ':') : NULL;
	int64_t soft, hard;

	if (!equals || equals == text)
		return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME=SOFT[:HARD]", text);
	autofree char *soft_text = mem_strndup(equals + 1, colon ? (size_t)(colon - equals - 1) : strlen(equals + 1));
	TRY_WRAP(string_to_int64(&soft, soft_text, -1, INT64_MAX), "\"%s\"", text);
	TRY_WRAP(string_to_int64(&hard, colon ? colon + 1 : soft_text, -1, INT64_MAX), "\"%s\"", text);
	if (hard >= 0 && (soft < 0 || soft > hard))
		return error_new(ERROR_INVALID, "\"%s\": the soft limit is higher than the hard one", text);
	*ret_name = mem_strndup(text, (size_t)(equals - text));
	*ret_soft = soft;
	*ret_hard = hard;
	return NULL;
}

fallible rate_word_parse(char **ret_path, int64_t *ret_rate, const char *text, bool takes_units)
{
	const char *colon = strrchr(text, ':');
	int64_t rate;

	if (!colon || text[0] != '/')
		return error_new(ERROR_INVALID, "\"%s\" is not of the form PATH:NUMBER", text);
	TRY_WRAP(takes_units ? string_to_bytes(&rate, colon + 1) : string_to_int64(&rate, colon + 1, 0, INT64_MAX),
		"\"%s\"", text);
	*ret_path = mem_strndup(text, (size_t)(colon - text));
	*ret_rate = rate;
	return NULL;
}

/* ---- names and values ---- */

fallible host_word_parse(char **ret, const char *text)
{
	const char *address = strpbrk(text, "=:");

	if (!address || address == text || !address[1])
		return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME:ADDRESS", text);
	size_t length = strlen(++address);
	bool is_bracketed = length > 2 && address[0] == '[' && address[length - 1] == ']';
	*ret = string_printf("%.*s:%.*s", (int)(address - 1 - text), text, (int)(is_bracketed ? length - 2 : length),
		address + is_bracketed);
	return NULL;
}

fallible pair_word_add(StringMap *map, const char *text)
{
	size_t length = strcspn(text, "=");
	autofree char *name = mem_strndup(text, length);

	if (!*name)
		return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME=VALUE", text);
	map_set(map, name, text[length] ? text + length + 1 : "");
	return NULL;
}

/* ---- lines ---- */

/* What is quoted from *at, a quote, on; leaves *at behind its end. */
static fallible read_quoted(Buffer *word, const char **at)
{
	char quote = *(*at)++;

	for (; **at && **at != quote; (*at)++) {
		if (quote == '"' && **at == '\\' && (*at)[1] && strchr("\"\\$`", (*at)[1]))
			(*at)++;
		buffer_add_char(word, **at);
	}
	if (!**at)
		return error_new(ERROR_INVALID, "a quote is not closed");
	(*at)++;
	return NULL;
}

static fallible read_word(Buffer *word, const char **at)
{
	while (**at && !strchr(" \t\r\n", **at)) {
		if (**at == '"' || **at == '\'') {
			TRY(read_quoted(word, at));
			continue;
		}
		if (**at == '\\' && (*at)[1])
			(*at)++;
		buffer_add_char(word, *(*at)++);
	}
	return NULL;
}

fallible words_split(StringList *ret, const char *line)
{
	autoclear(StringList) words = {0};

	for (const char *at = line + strspn(line, " \t\r\n"); *at; at += strspn(at, " \t\r\n")) {
		autoclear(Buffer) word = {0};
		TRY(read_word(&word, &at));
		strings_add(&words, buffer_text(&word));
	}
	strings_clear(ret);
	*ret = words;
	words = (StringList){0};
	return NULL;
}
