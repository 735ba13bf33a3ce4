// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The file with who may log in to the dashboard: a line "NAME:HASH" for each, readable by root alone. But for which
 * file it is, pure: text in, text out. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"

enum { LOGIN_NAME_MAX = 64, LOGIN_PASSWORD_MAX = 1024, PASSWORD_FILE_MAX = 64 << 10 };

/* Which file it is; another one after each change. All zeros: none. */
typedef struct PasswordFile {
	uint64_t inode;
	int64_t size, changed_ns;
} PasswordFile;

PasswordFile password_file_of(const struct stat *status);
bool password_file_equal(const PasswordFile *a, const PasswordFile *b);

/* Letters, digits, ".", "_", "-" and "@". */
bool login_name_is_right(const char *name);
/* What kedge-login is told: a name and, on the next line, a password, which is in text. */
fallible login_input_split(char *text, const char **ret_name, char **ret_password);
/* Owned; NULL: there is nobody of that name. */
char *password_file_find(const char *text, const char *name);
/* The text with that line in it, in place of the one before; hash NULL: without. Other lines stay as they are. */
void password_file_set(Buffer *ret, const char *text, const char *name, const char *hash);
