// SPDX-License-Identifier: Apache-2.0
/* kedge-login: makes and checks the hashes of passwords, for kedge passwd and for kedged. Passwords come in by standard
 * input alone. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "login/hash.h"
#include "login/jail.h"
#include "login/password_file.h"
#include "main/jailed.h"

enum { FILE_FD = 3, INPUT_MAX = LOGIN_NAME_MAX + LOGIN_PASSWORD_MAX + 2, STATUS_WRONG = 1, STATUS_FAILED = 2 };

typedef struct LoginOptions {
	bool verify, hash, help, version;
} LoginOptions;

#define SWITCH(option_name, member, text)                                                                              \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_SWITCH, .offset = offsetof(LoginOptions, member), .help = text     \
	}

static const Option options_table[] = {
	SWITCH("verify", verify,
		"read a name and, on the next line, a password: 0, if descriptor 3 has them, 1, if not"),
	SWITCH("hash", hash, "read a password, print its hash"),
	SWITCH("help", help, "show this"),
	SWITCH("version", version, "print the version"),
	OPTION_END,
};

static const char usage[] =
	"Usage: kedge-login [OPTION...]\n\nMakes and checks the hashes of passwords. kedged and kedge "
	"passwd start it; it is of no use without them.\n\n";

static fallible verify(bool *ret_is_right)
{
	autofree char *file = NULL;
	autofree char *input = NULL;
	const char *name = NULL;
	char *password = NULL;

	TRY(hash_prepare());
	TRY_WRAP(login_jail_enter(), "could not enter the jail");
	TRY(file_read_fd(&file, NULL, FILE_FD, "the password file", PASSWORD_FILE_MAX));
	TRY(file_read_fd(&input, NULL, STDIN_FILENO, "standard input", INPUT_MAX));
	TRY(login_input_split(input, &name, &password));
	autofree char *hash = password_file_find(file, name);
	*ret_is_right = hash_matches(hash, password);
	explicit_bzero(password, strlen(password));
	return NULL;
}

static fallible print_hash(void)
{
	autofree char *password = NULL;
	char hash[HASH_TEXT_MAX];

	TRY(hash_prepare());
	TRY(file_read_fd(&password, NULL, STDIN_FILENO, "standard input", LOGIN_PASSWORD_MAX));
	TRY(hash_make(hash, password));
	explicit_bzero(password, strlen(password));
	puts(hash);
	return NULL;
}

static int run(const void *arg)
{
	const LoginOptions *options = arg;
	bool is_right = true;
	Error *error;

	if (options->help)
		return jailed_help(options_table, usage);
	if (options->version)
		return puts("kedge-login " KEDGE_VERSION) < 0;
	if (options->verify)
		error = verify(&is_right);
	else if (options->hash)
		error = print_hash();
	else
		error = error_new(ERROR_INVALID, "nothing is to be done: see \"kedge-login --help\"");
	if (error) {
		jailed_fail(error);
		return STATUS_FAILED;
	}
	return is_right ? 0 : STATUS_WRONG;
}

int main(int argc, char **argv)
{
	LoginOptions options = {0};

	jailed_main("kedge-login", options_table, &options, run, argc, argv);
}
