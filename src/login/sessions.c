// SPDX-License-Identifier: Apache-2.0
#include "login/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "login/password_file.h"

enum { TOKEN, GUARD, BEGUN, USED, INODE, SIZE, CHANGED, USER, PARTS };

static void end(Session *session)
{
	free(session->user);
	explicit_bzero(session, sizeof(*session));
}

void sessions_clear(Sessions *sessions)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		end(&sessions->all[i]);
}

bool session_text_equal(const char *a, const char *b)
{
	unsigned char difference = 0;

	if (!a || !b || strlen(a) != strlen(b))
		return false;
	for (size_t i = 0; a[i]; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

/* A free one, or the one that was used longest ago. */
static Session *find_place(Sessions *sessions)
{
	Session *oldest = &sessions->all[0];

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		Session *session = &sessions->all[i];
		if (!session->user)
			return session;
		if (session->used_ns < oldest->used_ns)
			oldest = session;
	}
	end(oldest);
	return oldest;
}

const Session *session_begin(Sessions *sessions, const char *user, const PasswordFile *file, int64_t now_ns)
{
	Session *session = find_place(sessions);

	string_random_hex(session->token, SESSION_TOKEN_LENGTH);
	string_random_hex(session->guard, SESSION_TOKEN_LENGTH);
	session->user = mem_strdup(user);
	session->file = *file;
	session->begun_ns = session->used_ns = now_ns;
	return session;
}

static bool is_over(const Session *session, const PasswordFile *file, int64_t now_ns)
{
	return !password_file_equal(&session->file, file) || now_ns - session->used_ns > SESSION_IDLE ||
	       now_ns - session->begun_ns > SESSION_WHOLE;
}

static Session *look(Sessions *sessions, const char *token)
{
	Session *found = NULL;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (sessions->all[i].user && session_text_equal(sessions->all[i].token, token))
			found = &sessions->all[i];
	return found;
}

const Session *session_find(Sessions *sessions, const char *token, const PasswordFile *file, int64_t now_ns)
{
	Session *session = look(sessions, token);

	if (!session)
		return NULL;
	if (is_over(session, file, now_ns)) {
		end(session);
		return NULL;
	}
	session->used_ns = now_ns;
	return session;
}

void session_end(Sessions *sessions, const char *token)
{
	Session *session = look(sessions, token);

	if (session)
		end(session);
}

/* ---- over an upgrade ---- */

/* A line each: token, guard, times, file, user. */
void sessions_write(const Sessions *sessions, Buffer *out)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		const Session *session = &sessions->all[i];
		if (session->user)
			buffer_printf(out, "%s %s %lld %lld %lld %lld %lld %s\n", session->token, session->guard,
				(long long)session->begun_ns, (long long)session->used_ns,
				(long long)session->file.inode, (long long)session->file.size,
				(long long)session->file.changed_ns, session->user);
	}
}

static bool is_token(const char *text)
{
	return strlen(text) == SESSION_TOKEN_LENGTH && strspn(text, "0123456789abcdef") == SESSION_TOKEN_LENGTH;
}

static fallible read_numbers(Session *ret, char *const *parts)
{
	int64_t inode = 0;

	TRY(string_to_int64(&ret->begun_ns, parts[BEGUN], 0, INT64_MAX));
	TRY(string_to_int64(&ret->used_ns, parts[USED], 0, INT64_MAX));
	TRY(string_to_int64(&inode, parts[INODE], INT64_MIN, INT64_MAX));
	TRY(string_to_int64(&ret->file.size, parts[SIZE], 0, INT64_MAX));
	TRY(string_to_int64(&ret->file.changed_ns, parts[CHANGED], INT64_MIN, INT64_MAX));
	ret->file.inode = (uint64_t)inode;
	return NULL;
}

static fallible read_session(Session *ret, char *const *parts)
{
	if (!is_token(parts[TOKEN]) || !is_token(parts[GUARD]) || !login_name_is_right(parts[USER]))
		return error_new(ERROR_INVALID, "it is no session");
	TRY(read_numbers(ret, parts));
	strcpy(ret->token, parts[TOKEN]);
	strcpy(ret->guard, parts[GUARD]);
	ret->user = mem_strdup(parts[USER]);
	return NULL;
}

static fallible read_lines(Sessions *sessions, const StringList *lines)
{
	for (size_t i = 0; i < lines->count && *lines->items[i]; i++) {
		autoclear(StringList) parts = {0};
		if (i == SESSIONS_MAX)
			return error_new(ERROR_TOO_LARGE, "there are more than %d", SESSIONS_MAX);
		strings_split(&parts, lines->items[i], ' ');
		if (parts.count != PARTS)
			return error_new(ERROR_INVALID, "it is no session");
		TRY(read_session(&sessions->all[i], parts.items));
	}
	return NULL;
}

fallible sessions_read(Sessions *sessions, const char *text)
{
	autoclear(Sessions) all = {0};
	autoclear(StringList) lines = {0};

	strings_split(&lines, text, '\n');
	TRY(read_lines(&all, &lines));
	sessions_clear(sessions);
	*sessions = all;
	explicit_bzero(&all, sizeof(all));
	return NULL;
}
