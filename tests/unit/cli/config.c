// SPDX-License-Identifier: Apache-2.0
#include "cli/config.h"

#include "check.h"

static void parse(Config *config, const char *text)
{
	check_ok(config_parse(config, text, strlen(text)));
}

static void check_found(const char *text, const char *registry, const char *username, const char *password)
{
	autoclear(Config) config = {0};
	autoclear(Credentials) found = {0};

	parse(&config, text);
	check_ok(config_find(&found, &config, registry));
	if (!username) {
		assert_null(found.username);
		return;
	}
	assert_string_equal(found.username, username);
	assert_string_equal(found.password, password);
}

/* "me:pass:word" */
#define ME "{\"auth\": \"bWU6cGFzczp3b3Jk\"}"

static void finding(void **state)
{
	(void)state;
	check_found("{}", "localhost:5000", NULL, NULL);
	check_found("{\"auths\": {\"localhost:5000\": " ME "}}", "localhost:5000", "me", "pass:word");
	check_found("{\"auths\": {\"localhost:5000\": " ME "}}", "localhost", NULL, NULL);
	check_found("{\"auths\": {\"https://r.example/v2/\": " ME "}}", "r.example", "me", "pass:word");
	check_found("{\"auths\": {\"https://index.docker.io/v1/\": " ME "}}", "docker.io", "me", "pass:word");
	check_found("{\"auths\": {\"r.example\": {}}}", "r.example", NULL, NULL);
	check_found("{\"auths\": {\"r.example\": {\"username\": \"u\", \"password\": \"p\"}}}", "r.example", "u", "p");
	check_found("{\"credsStore\": \"\", \"auths\": {\"r.example\": " ME "}}", "r.example", "me", "pass:word");
	check_found("{\"credHelpers\": {\"other.example\": \"gcr\"}, \"auths\": {\"r.example\": " ME "}}", "r.example",
		"me", "pass:word");
}

static void check_refused(const char *text, ErrorKind kind, const char *message)
{
	autoclear(Config) config = {0};
	autoclear(Credentials) found = {0};

	parse(&config, text);
	check_error(config_find(&found, &config, "r.example"), kind, message);
}

static void refused(void **state)
{
	(void)state;
	check_refused("{\"credsStore\": \"no such thing\"}", ERROR_INVALID,
		"invalid credential helper \"no such thing\": it must be letters, digits and \"._-\"");
	check_refused("{\"credHelpers\": {\"r.example\": \"of/path\"}}", ERROR_INVALID,
		"invalid credential helper \"of/path\": it must be letters, digits and \"._-\"");
	check_refused("{\"credHelpers\": {\"r.example\": \"kedge-has-none\"}}", ERROR_NOT_FOUND,
		"credential helper \"kedge-has-none\": could not start \"docker-credential-kedge-has-none\": "
		"No such file or directory");
	check_refused("{\"auths\": {\"r.example\": {\"auth\": \"!\"}}}", ERROR_INVALID,
		"credentials file \"config.json\": field \"auth\" of registry \"r.example\" is not base64");
	check_refused("{\"auths\": {\"r.example\": {\"auth\": \"bWU=\"}}}", ERROR_INVALID,
		"credentials file \"config.json\": field \"auth\" of registry \"r.example\" does not hold "
		"NAME:PASSWORD");
}

static void ill_formed(void **state)
{
	autoclear(Config) config = {0};

	(void)state;
	check_invalid(config_parse(&config, "[]", 2), "it is no object");
}

static void check_mode(const char *directory, const char *name, mode_t mode)
{
	autofree char *path = path_join(directory, name);
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, mode);
}

/* What we do not know stays; what we write, we and Docker find again. */
static void storing(void **state)
{
	autofree char *directory = path_join(*state, "new");
	Credentials given = {.username = (char *)"me", .password = (char *)"pass:word"};
	autofree char *text = NULL;
	bool removed;

	autoclear(Config) first = {0}, second = {0}, third = {0};
	check_ok(config_load(&first, directory));
	parse(&first, "{\"psFormat\": \"x\", \"auths\": {\"other.example\": {\"auth\": \"YTpi\"}}}");
	check_ok(config_store(&first, "r.example", &given));
	check_mode(*state, "new", 0700);
	check_mode(directory, "config.json", 0600);

	autoclear(Credentials) found = {0};
	check_ok(config_load(&second, directory));
	check_ok(config_find(&found, &second, "r.example"));
	assert_string_equal(found.password, "pass:word");
	check_ok(config_remove(&second, "r.example", &removed));
	assert_true(removed);
	check_ok(config_remove(&second, "r.example", &removed));
	assert_false(removed);

	autoclear(Buffer) left = {0};
	check_ok(config_load(&third, directory));
	value_write(third.root, &left);
	assert_string_equal(
		buffer_text(&left), "{\"psFormat\":\"x\",\"auths\":{\"other.example\":{\"auth\":\"YTpi\"}}}");
}

static void headers(void **state)
{
	Credentials none = {0}, given = {.username = (char *)"me", .password = (char *)"?>"};

	(void)state;
	check_text(credentials_header(&none, "r.example"), "X-Registry-Auth: e30=");
	check_text(credentials_header(&given, "r.example"),
		"X-Registry-Auth: "
		"eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiI_PiIsInNlcnZlcmFkZHJlc3MiOiJyLmV4YW1wbGUifQ==");
}

static void registries(void **state)
{
	(void)state;
	check_text(config_registry_of(NULL), "docker.io");
	check_text(config_registry_of("https://index.docker.io/v1/"), "docker.io");
	check_text(config_registry_of("http://r.example:5000/v2/"), "r.example:5000");
	check_text(config_registry_of("r.example"), "r.example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finding),
		cmocka_unit_test(refused),
		cmocka_unit_test(ill_formed),
		directory_test(storing),
		cmocka_unit_test(headers),
		cmocka_unit_test(registries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
