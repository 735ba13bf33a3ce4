// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a password is right, asked of a kedge-login of its own: that takes a while, memory, and reads what anybody
 * has sent. One at a time; what is wrong is counted, so that guessing gets nowhere: LOGIN_TRIES at once, then one every
 * LOGIN_PAUSE, whoever asks. The name and the password go through a pipe (invariant 9).
 */
#include "base/loop.h"
#include "login/password_file.h"

typedef struct LoginCheck LoginCheck;

enum { LOGIN_TRIES = 5 };
#define LOGIN_PAUSE (6 * INT64_C(1000000000))

/* program: kedge-login; file: the password file. */
LoginCheck *login_check_new(Loop *loop, const char *program, const char *file);
LoginCheck *login_check_free(LoginCheck *check); /* done is not called any more */
/* done: NULL: it is right; ERROR_UNAUTHORIZED: it is not. ERROR_UNAVAILABLE, now: another time. */
fallible login_check_begin(LoginCheck *check, const char *name, const char *password,
	void (*done)(void *arg, Error *take_error), void *arg);
void login_check_forget(LoginCheck *check);              /* who asked has left */
PasswordFile login_check_asked(const LoginCheck *check); /* the file that the last password was held against */
PasswordFile login_check_file(const LoginCheck *check);  /* the one that is there now */
