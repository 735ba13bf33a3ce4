// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Errors as values. A function that can fail returns `Error *` (NULL is success) and leaves its ret_
 * parameters untouched on failure. Whoever receives an Error does exactly one of: return it, answer with
 * it, store it in a state, log it (error_log), or drop it with a reason in a comment (error_free).
 *
 * Messages: short, lower case, no full stop, names in double quotes, the reason always. "could not" for
 * what may pass, "cannot" for what never will. "Not there" and "would block" are results, not errors.
 */
#include <stdarg.h>
#include <stdbool.h>

typedef struct Error Error;

/* Each kind is one HTTP status, one exit code of the command line and one retry rule (error.c has the table). */
typedef enum ErrorKind {
	ERROR_INTERNAL,     /* 500: a bug or a broken host */
	ERROR_INVALID,      /* 400: the caller's input is wrong; the message names the field */
	ERROR_UNAUTHORIZED, /* 401: credentials are missing or refused */
	ERROR_FORBIDDEN,    /* 403: policy says no */
	ERROR_NOT_FOUND,    /* 404 */
	ERROR_CONFLICT,     /* 409: name taken, wrong state */
	ERROR_TOO_LARGE,    /* 413: over a bound */
	ERROR_UNSUPPORTED,  /* 501: known, not available here */
	ERROR_UNAVAILABLE,  /* 503: may pass, try again: network, registry, a full disk */
	ERROR_TIMEOUT,      /* 504 */
	ERROR_CANCELLED,    /* 499: the job was cancelled */
	ERROR_STALE,        /* 412: it was changed since the caller has seen it */
	ERROR_KINDS
} ErrorKind;

#define fallible __attribute__((warn_unused_result)) Error *

#define TRY(expr)                                                                                                      \
	do {                                                                                                           \
		Error *try_error_ = (expr);                                                                            \
		if (try_error_)                                                                                        \
			return try_error_;                                                                             \
	} while (0)

/* As TRY, with "<formatted>: " put in front of the message. */
#define TRY_WRAP(expr, ...)                                                                                            \
	do {                                                                                                           \
		Error *try_error_ = (expr);                                                                            \
		if (try_error_)                                                                                        \
			return error_wrap(try_error_, __VA_ARGS__);                                                    \
	} while (0)

fallible error_new(ErrorKind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Kind chosen from errno_value (ENOENT -> NOT_FOUND, ENOSPC/EDQUOT -> UNAVAILABLE, ...); ": strerror" is appended. */
fallible error_errno(int errno_value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes error, gives it back with "<formatted>: " in front. */
fallible error_wrap(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes error, gives it back with a hint for the user: what to do, in the style of a message. */
fallible error_hint(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

Error *error_copy(const Error *error); /* message, kind and hint: for a second reader of the same failure */
Error *error_free(Error *error);       /* NULL is fine; returns NULL */

ErrorKind error_kind(const Error *error);
int error_number(const Error *error); /* errno the error came from, or 0 */
const char *error_message(const Error *error);
const char *error_hint_text(const Error *error); /* NULL without one */
char *error_text(const Error *error);            /* owned: "message: hint", for those who have one line only */

int error_http_status(ErrorKind kind);
ErrorKind error_kind_of_http(int status);
const char *error_kind_name(ErrorKind kind);
int error_exit_code(ErrorKind kind);
ErrorKind error_kind_of_exit_code(int exit_code); /* of a program of ours; ERROR_INTERNAL for any other */
bool error_may_pass(ErrorKind kind);              /* worth another try later */

/* Logs at warning level with "<formatted>: " in front, and frees. */
void error_log(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
