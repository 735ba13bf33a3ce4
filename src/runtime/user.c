// SPDX-License-Identifier: Apache-2.0
#include "runtime/user.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/memory.h"
#include "runtime/merged.h"

enum { ACCOUNTS_MAX = 1 << 20, GROUPS_MAX = sizeof(((UserIds *)0)->groups) / sizeof(gid_t) };

#define ID_MAX INT64_C(2147483647) /* Docker's bound */

typedef struct Account {
	const char *name;
	int64_t uid, gid;
	const char *home;
} Account;

typedef struct Group {
	const char *name;
	int64_t gid;
	const char *members; /* separated by commas */
} Group;

/* "" when the image has none. */
static fallible read_accounts(char **ret, const StringList *directories, const char *path)
{
	autofd fd = -1;

	TRY(merged_open(&fd, directories, path));
	if (fd >= 0)
		return file_read_fd(ret, NULL, fd, path, ACCOUNTS_MAX);
	*ret = mem_strdup("");
	return NULL;
}

/* Splits line in place at colons; false unless at least count fields are there. */
static bool split_fields(char *line, char **fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fields[i] = line ? strsep(&line, ":") : NULL;
		if (!fields[i])
			return false;
	}
	return true;
}

static bool read_id(int64_t *ret, const char *text)
{
	Error *error = string_to_int64(ret, text, 0, ID_MAX);

	if (!error)
		return true;
	error_free(error); /* a line that is no account is skipped, as libc does */
	return false;
}

static bool parse_account(Account *ret, char *line)
{
	char *fields[6];

	if (!split_fields(line, fields, 6) || !*fields[0])
		return false;
	*ret = (Account){.name = fields[0], .home = fields[5]};
	return read_id(&ret->uid, fields[2]) && read_id(&ret->gid, fields[3]);
}

static bool parse_group(Group *ret, char *line)
{
	char *fields[4];

	if (!split_fields(line, fields, 4) || !*fields[0])
		return false;
	*ret = (Group){.name = fields[0], .members = fields[3]};
	return read_id(&ret->gid, fields[2]);
}

/* Finds by name or by number; number -1 matches none. text is cut up. */
static bool find_account(Account *ret, char *text, const char *name, int64_t uid)
{
	for (char *line; (line = strsep(&text, "\n"));)
		if (parse_account(ret, line) && (strcmp(ret->name, name) == 0 || ret->uid == uid))
			return true;
	return false;
}

static bool find_group(Group *ret, const char *groups, const char *name, int64_t gid, char **ret_text)
{
	char *text = *ret_text = mem_strdup(groups);

	for (char *line; (line = strsep(&text, "\n"));)
		if (parse_group(ret, line) && (strcmp(ret->name, name) == 0 || ret->gid == gid))
			return true;
	return false;
}

static bool is_member(const char *members, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = members; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
		if (strcspn(at, ",") == length && strncmp(at, name, length) == 0)
			return true;
	}
	return false;
}

static fallible add_group(UserIds *ids, int64_t gid)
{
	for (size_t i = 0; i < ids->group_count; i++)
		if (ids->groups[i] == (gid_t)gid)
			return NULL;
	if (ids->group_count == GROUPS_MAX)
		return error_new(ERROR_TOO_LARGE, "user is in more than %d groups", (int)GROUPS_MAX);
	ids->groups[ids->group_count++] = (gid_t)gid;
	return NULL;
}

static fallible add_memberships(UserIds *ids, const char *groups, const char *name)
{
	autofree char *copy = mem_strdup(groups);
	char *text = copy;
	Group group;

	for (char *line; (line = strsep(&text, "\n"));)
		if (parse_group(&group, line) && is_member(group.members, name))
			TRY(add_group(ids, group.gid));
	return NULL;
}

/* A name of /etc/group, or a number that need not be there. */
static fallible resolve_group(int64_t *ret, const char *groups, const char *name)
{
	autofree char *text = NULL;
	int64_t number = -1;
	bool is_number = read_id(&number, name);
	Group group;

	if (find_group(&group, groups, name, is_number ? number : -1, &text))
		number = group.gid;
	else if (!is_number)
		return error_hint(error_new(ERROR_INVALID, "group \"%s\" is not in the image's /etc/group", name),
			"give a number, or a group that the image has");
	*ret = number;
	return NULL;
}

static void set_home(UserIds *ids, const char *home)
{
	if (home[0] == '/' && strlen(home) < sizeof(ids->home))
		strcpy(ids->home, home);
}

/* The name part; *ret_name is the account's name for memberships, NULL when it has no line in passwd. */
static fallible resolve_name(UserIds *ids, char **ret_name, const char *name, const StringList *directories)
{
	autofree char *text = NULL;
	int64_t number = -1;
	bool is_number = read_id(&number, name);
	Account account;

	TRY(read_accounts(&text, directories, "/etc/passwd"));
	if (find_account(&account, text, name, is_number ? number : -1)) {
		ids->uid = (uid_t)account.uid;
		ids->gid = (gid_t)account.gid;
		set_home(ids, account.home);
		*ret_name = mem_strdup(account.name);
		return NULL;
	}
	if (!is_number)
		return error_hint(error_new(ERROR_INVALID, "user \"%s\" is not in the image's /etc/passwd", name),
			"give a number, or a user that the image has");
	ids->uid = (uid_t)number;
	return NULL;
}

static fallible resolve_groups(
	UserIds *ids, const char *groups, const char *account, const char *group, const StringList *extra)
{
	int64_t gid;

	if (!string_empty(group)) {
		TRY(resolve_group(&gid, groups, group));
		ids->gid = (gid_t)gid;
	} else if (account) {
		TRY(add_memberships(ids, groups, account));
	}
	for (size_t i = 0; i < extra->count; i++) {
		TRY(resolve_group(&gid, groups, extra->items[i]));
		TRY(add_group(ids, gid));
	}
	return NULL;
}

fallible user_resolve(UserIds *ret, const char *user, const StringList *extra_groups, const StringList *directories)
{
	UserIds ids = {.home = "/"};
	autofree char *name = mem_strdup(user ? user : ""), *account = NULL, *groups = NULL;
	char *group = strchr(name, ':');

	if (group)
		*group++ = '\0';
	TRY(resolve_name(&ids, &account, *name ? name : "0", directories));
	TRY(read_accounts(&groups, directories, "/etc/group"));
	TRY(resolve_groups(&ids, groups, account, group, extra_groups));
	*ret = ids;
	return NULL;
}
