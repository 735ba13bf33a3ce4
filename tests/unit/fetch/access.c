// SPDX-License-Identifier: Apache-2.0
#include "fetch/access.h"

#include "check.h"

static void put(const char *directory, const char *name, const char *text)
{
	autofree char *path = path_join(directory, name);

	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0600));
}

static void make(const char *directory, const char *name)
{
	autofree char *path = path_join(directory, name);

	check_ok(dir_make_all(AT_FDCWD, path, 0700));
}

static void insecure_hosts(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		bool is_insecure;
	} cases[] = {
		{"docker.io", false},
		{"localhost", true},
		{"localhost:5000", true},
		{"localhost.example", false},
		{"127.0.0.1:5000", true},
		{"127.255.1.2", true},
		{"128.0.0.1", false},
		{"[::1]:5000", true},
		{"[::2]:5000", false},
		{"listed:5000", true},
		{"listed:5001", false},
		{"any-port:1", true},
		{"10.1.2.3:5000", true},
		{"10.1.4.3:5000", false},
		{"[fd00::5]", true},
		{"[fe00::5]", false},
	};
	autoclear(StringList) insecure = {0};

	strings_split(&insecure, "listed:5000 any-port 10.1.2.0/23 fd00::/8 nonsense/x 1.2.3.4/99 /8", ' ');
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autoclear(RegistryAccess) access = {0};
		check_ok(registry_access_load(&access, cases[i].host, NULL, NULL, &insecure));
		assert_string_equal(access.host, cases[i].host);
		assert_int_equal(access.plain_http, cases[i].is_insecure);
		assert_int_equal(access.skip_verify, cases[i].is_insecure);
	}
}

static void settings(void **state)
{
	const char *directory = *state;
	autoclear(RegistryAccess) access = {0};

	put(directory, "ca.pem", "the CA");
	put(directory, "host:5000.yaml",
		"ca: ca.pem\nusername: tom\npassword: 'x: y'\nproxy: http://proxy:3128\ninsecure: true\n");
	check_ok(registry_access_load(&access, "host:5000", directory, NULL, NULL));
	assert_string_equal(access.ca_pem, "the CA");
	assert_string_equal(access.username, "tom");
	assert_string_equal(access.password, "x: y");
	assert_string_equal(access.proxy, "http://proxy:3128");
	assert_true(access.plain_http);
}

static void settings_decide_about_loopback(void **state)
{
	const char *directory = *state;
	autoclear(RegistryAccess) secure = {0}, with_ca = {0};

	put(directory, "localhost:1.yaml", "insecure: false\n");
	put(directory, "localhost:2.yaml", "ca: ca.pem\n");
	put(directory, "ca.pem", "the CA");
	check_ok(registry_access_load(&secure, "localhost:1", directory, NULL, NULL));
	assert_false(secure.plain_http);
	check_ok(registry_access_load(&with_ca, "localhost:2", directory, NULL, NULL));
	assert_false(with_ca.plain_http);
}

static void bad_settings(void **state)
{
	const char *directory = *state;
	static const char *const texts[] = {
		"nonsense: 1\n", "insecure: maybe\n", "ca: missing.pem\n", "- a\n", "a: [\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		RegistryAccess access = {0};
		put(directory, "host.yaml", texts[i]);
		Error *error = registry_access_load(&access, "host", directory, NULL, NULL);
		assert_non_null(error);
		assert_non_null(strstr(error_message(error), "registry settings "));
		error_free(error);
		assert_null(access.host);
	}
}

static void certificates(void **state)
{
	const char *directory = *state;
	autoclear(RegistryAccess) access = {0}, other = {0};

	make(directory, "localhost:1");
	put(directory, "localhost:1/one.crt", "1");
	put(directory, "localhost:1/ca.crt", "2");
	put(directory, "localhost:1/client.cert", "certificate");
	put(directory, "localhost:1/client.key", "key");
	put(directory, "localhost:1/README", "not read");
	check_ok(registry_access_load(&access, "localhost:1", NULL, directory, NULL));
	assert_int_equal(strlen(access.ca_pem), 4);
	assert_non_null(strstr(access.ca_pem, "1\n"));
	assert_non_null(strstr(access.ca_pem, "2\n"));
	assert_string_equal(access.client_cert_pem, "certificate");
	assert_string_equal(access.client_key_pem, "key");
	assert_false(access.plain_http);
	check_ok(registry_access_load(&other, "localhost:2", NULL, directory, NULL));
	assert_null(other.ca_pem);
	assert_true(other.plain_http);
	autofree char *expected = path_join(directory, "localhost:2");
	assert_string_equal(other.ca_directory, expected);
}

static void a_certificate_without_its_key(void **state)
{
	const char *directory = *state;
	RegistryAccess access = {0};

	make(directory, "host");
	put(directory, "host/client.cert", "certificate");
	autofree char *message = string_printf(
		"certificates in \"%s/host\": certificate \"client.cert\" has no key \"client.key\" beside it",
		directory);
	check_invalid(registry_access_load(&access, "host", NULL, directory, NULL), message);
}

static void hosts_that_are_paths(void **state)
{
	static const char *const bad[] = {"", ".", "../x", "a/b", "a\nb", "a b", ".hidden"};
	RegistryAccess access = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		autofree char *message =
			string_printf("invalid registry \"%s\": it must be a host name with an optional port", bad[i]);
		check_invalid(registry_access_load(&access, bad[i], *state, *state, NULL), message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(insecure_hosts),
		cmocka_unit_test_setup_teardown(settings, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(settings_decide_about_loopback, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(bad_settings, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(certificates, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(a_certificate_without_its_key, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(hosts_that_are_paths, setup_directory, teardown_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
