// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Who has logged in, in memory alone, over an upgrade too: SESSIONS_MAX of them, of which the one that was used longest
 * ago goes first; each ends when nothing was asked with it for SESSION_IDLE, after SESSION_WHOLE, and with the file of
 * passwords that let it in, so that who is taken off that is out. Times are given (monotonic). Each has a guard beside
 * the cookie's token: what changes something needs both, and a page of another site knows the guard not.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "login/password_file.h"

enum { SESSIONS_MAX = 64, SESSION_TOKEN_LENGTH = 64, SESSIONS_TEXT_MAX = SESSIONS_MAX * 512 };
#define SESSION_IDLE (30 * 60 * INT64_C(1000000000))
#define SESSION_WHOLE (12 * 3600 * INT64_C(1000000000))

typedef struct Session {
	char token[SESSION_TOKEN_LENGTH + 1], guard[SESSION_TOKEN_LENGTH + 1];
	char *user; /* NULL: a place that is free */
	PasswordFile file;
	int64_t begun_ns, used_ns;
} Session;

typedef struct Sessions {
	Session all[SESSIONS_MAX];
} Sessions;

void sessions_clear(Sessions *sessions);
DEFINE_AUTOCLEAR(Sessions, sessions_clear)
const Session *session_begin(Sessions *sessions, const char *user, const PasswordFile *file, int64_t now_ns);
/* By its token (may be NULL), and notes that it was used; NULL without one that is good. file: as it is now. */
const Session *session_find(Sessions *sessions, const char *token, const PasswordFile *file, int64_t now_ns);
/* All of them, for the next program of this process; a text that is not of this form is an error, and adds none. */
void sessions_write(const Sessions *sessions, Buffer *out);
fallible sessions_read(Sessions *sessions, const char *text);
void session_end(Sessions *sessions, const char *token);
/* In a time that does not tell how much of it is right. */
bool session_text_equal(const char *a, const char *b);
