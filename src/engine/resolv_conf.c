// SPDX-License-Identifier: Apache-2.0
#include "engine/resolv_conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/memory.h"

#define STUB "127.0.0.53"
#define NAME_SERVER "127.0.0.11"

typedef struct HostLists {
	StringList servers, search, options;
} HostLists;

static void lists_clear(HostLists *lists)
{
	strings_clear(&lists->servers);
	strings_clear(&lists->search);
	strings_clear(&lists->options);
}

DEFINE_AUTOCLEAR(HostLists, lists_clear)

/* The words behind keyword; false when the line is another one. */
static bool read_line(StringList *ret, const char *line, const char *keyword)
{
	autofree char *copy = NULL;
	char *rest, *word;
	size_t length = strlen(keyword);

	line += strspn(line, " \t");
	if (!string_starts(line, keyword) || !isspace((unsigned char)line[length]))
		return false;
	copy = rest = mem_strdup(line + length);
	while ((word = strsep(&rest, " \t\r")))
		if (*word)
			strings_add(ret, word);
	return true;
}

/* As the resolver: the last search line counts, and of a nameserver line the first word. */
static void read_lists(HostLists *ret, const char *host)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, host, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		autoclear(StringList) words = {0};
		if (read_line(&words, lines.items[i], "nameserver") && words.count)
			strings_add(&ret->servers, words.items[0]);
		else if (read_line(&words, lines.items[i], "search") || read_line(&words, lines.items[i], "domain"))
			strings_copy(&ret->search, &words);
		else
			read_line(&ret->options, lines.items[i], "options");
	}
}

static bool is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool resolv_conf_is_stub(const char *host)
{
	autoclear(HostLists) lists = {0};

	read_lists(&lists, host);
	return lists.servers.count == 1 && strcmp(lists.servers.items[0], STUB) == 0;
}

/* ---- writing ---- */

static void write_words(Buffer *out, const char *keyword, const StringList *words)
{
	if (!words->count || (words->count == 1 && strcmp(words->items[0], ".") == 0))
		return;
	buffer_add_text(out, keyword);
	for (size_t i = 0; i < words->count; i++)
		buffer_printf(out, " %s", words->items[i]);
	buffer_add_char(out, '\n');
}

static void write_servers(Buffer *out, const StringList *servers, bool without_loopback)
{
	for (size_t i = 0; i < servers->count; i++)
		if (!without_loopback || !is_loopback(servers->items[i]))
			buffer_printf(out, "nameserver %s\n", servers->items[i]);
}

static bool is_out_of_reach(const char *line)
{
	autoclear(StringList) words = {0};

	return read_line(&words, line, "nameserver") && words.count && is_loopback(words.items[0]);
}

static void write_hosts_own(Buffer *out, const char *host, bool is_private)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, host, '\n');
	for (size_t i = 0; i < lines.count; i++)
		if (!(is_private && is_out_of_reach(lines.items[i])) && (lines.items[i][0] || i + 1 < lines.count))
			buffer_printf(out, "%s\n", lines.items[i]);
}

/* As Docker: names of containers have no dots, and are to be asked for as they are; somebody's own wish goes first. */
static void write_options(Buffer *out, const StringList *options, bool has_names)
{
	autoclear(StringList) all = {0};
	bool has_dots = false;

	strings_copy(&all, options);
	for (size_t i = 0; i < all.count; i++)
		has_dots |= string_starts(all.items[i], "ndots:");
	if (has_names && !has_dots)
		strings_add(&all, "ndots:0");
	write_words(out, "options", &all);
}

void resolv_conf_write(Buffer *out, const char *host, const ResolvWish *wish)
{
	autoclear(HostLists) lists = {0};

	if (!wish->has_names && !wish->servers->count && !wish->search->count && !wish->options->count) {
		write_hosts_own(out, host, wish->is_private);
		return;
	}
	read_lists(&lists, host);
	write_words(out, "search", wish->search->count ? wish->search : &lists.search);
	if (wish->has_names)
		buffer_add_text(out, "nameserver " NAME_SERVER "\n");
	else if (wish->servers->count)
		write_servers(out, wish->servers, false);
	else
		write_servers(out, &lists.servers, wish->is_private);
	write_options(out, wish->options->count ? wish->options : &lists.options, wish->has_names);
}
