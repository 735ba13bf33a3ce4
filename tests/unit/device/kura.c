// SPDX-License-Identifier: Apache-2.0
/* Kura's form. Rows with the name of a test of Kura's ContainerInstanceOptionsTest check what that one checks. */
#include "device/kura.h"

#include "check.h"
#include "device/document.h"

#define DEFAULTS                                                                                                       \
	"container.enabled: false\ncontainer.image: hello-world\ncontainer.image.tag: latest\n"                        \
	"kura.service.pid: kura_test_container\ncontainer.ports.external: ''\ncontainer.ports.internal: ''\n"          \
	"container.env: ''\ncontainer.volume: ':'\ncontainer.device: ''\ncontainer.loggingType: default\n"             \
	"container.loggerParameters: ''\nregistry.hostname: ''\nregistry.username: ''\nregistry.password: ''\n"        \
	"container.image.download.timeout: 500\ncontainer.networkMode: ''\ncontainer.entrypoint: ''\n"                 \
	"container.memory: ''\ncontainer.cpus: ''\ncontainer.gpus: ''\ncontainer.runtime: ''\n"

/* The defaults, with other values for some. */
static Value *with(const char *properties)
{
	autoptr(Value) document = NULL;
	autoptr(Value) others = NULL;
	const char *name;
	Value *value;
	size_t cursor = 0;

	check_ok(value_parse_yaml(&document, DEFAULTS, strlen(DEFAULTS)));
	check_ok(value_parse_yaml(&others, properties, strlen(properties)));
	while (value_each(others, &cursor, &name, &value))
		value_set(document, name, value_ref(value));
	return take(document);
}

/* Which canonical form properties beside the defaults give; what they do not say is not looked at. */
static const struct {
	const char *name, *properties, *expected; /* a member in canonical form; "-x": there is none */
} rows[] = {
	{"testEnabledDefault", "", "\"enabled\":false"},
	{"testEnabled", "container.enabled: true", "-enabled"},
	{"testImageDefault", "", "\"image\":\"hello-world:latest\""},
	{"testImage", "container.image: test", "\"image\":\"test:latest\""},
	{"testImageTagDefault", "", "\"image\":\"hello-world:latest\""},
	{"testImageTag", "container.image.tag: test", "\"image\":\"hello-world:test\""},
	{"testContainerNameDefault", "", "\"name\":\"kura_test_container\""},
	{"testContainerName", "kura.service.pid: test", "\"name\":\"test\""},
	{"testContainerEnvDefault", "", "-environment"},
	{"testContainerEnv", "container.env: test=123", "\"environment\":[\"test=123\"]"},
	{"testContainerVolumeDefault", "", "-volumes"},
	{"testContainerVolume", "container.volume: '/test:/test'",
		"\"volumes\":[{\"type\":\"bind\",\"source\":\"/test\",\"target\":\"/test\",\"createSource\":true}]"},
	{"testContainerDeviceDefault", "", "-devices"},
	{"testContainerDevice", "container.device: /dev/test", "\"devices\":[{\"path\":\"/dev/test\"}]"},
	{"testPrivilegedModeDefault", "", "-privileged"},
	{"testPrivilegedMode", "container.privileged: true", "\"privileged\":true"},
	{"testImageDownloadRetriesDefault", "", "-pullRetries"}, /* 5, as ours */
	{"testImageDownloadRetries", "container.image.download.retries: 100", "\"pullRetries\":100"},
	{"testRegistryURLDefault", "", "-registry"},
	{"testRegistryURL", "registry.hostname: https://test", "\"registry\":{\"host\":\"test\"}"},
	{"testImageDownloadUnlimitedRetriesDefault", "", "-pullRetries"},
	{"testImageDownloadUnlimitedRetries", "container.image.download.retries: 0", "\"pullRetries\":0"},
	{"testImageDownloadRetryIntervalDefault", "", "-pullInterval"}, /* 30 s, as ours */
	{"testImageDownloadRetryInterval", "container.image.download.interval: 100", "\"pullInterval\":\"100ms\""},
	{"testRegistryUsernameDefault", "", "-registry"},
	{"testRegistryUsername", "registry.username: test", "\"registry\":{\"username\":\"test\"}"},
	{"testRegistryPasswordDefault", "", "-registry"},
	{"testRegistryPassword", "registry.username: a\nregistry.password: test",
		"\"registry\":{\"username\":\"a\",\"password\":\"test\"}"},
	{"testImageDownloadTimeoutDefault", "", "-pullTimeout"}, /* 500 s, as ours */
	{"testImageDownloadTimeout", "container.image.download.timeout: 100", "\"pullTimeout\":\"1m40s\""},
	{"shouldSupportMultipleExternalPortsInOneString, testMultipleInternalPortsInOneString",
		"container.ports.external: '22, 56'\ncontainer.ports.internal: '1:tcp, 2:udp'",
		"\"ports\":[{\"container\":1,\"protocol\":\"tcp\",\"host\":22},"
		"{\"container\":2,\"protocol\":\"udp\",\"host\":56}]"},
	{"shouldSupportSingleExternalPortsInOneString, testSingleInternalPortsInOneString",
		"container.ports.external: '22'\ncontainer.ports.internal: '56'",
		"\"ports\":[{\"container\":56,\"protocol\":\"tcp\",\"host\":22}]"},
	{"shouldSupportSingleBrokenExternalPortsInOneString, testMultipleBrokenInternalPortsInOneString",
		"container.ports.external: '22,'\ncontainer.ports.internal: '56 ,'",
		"\"ports\":[{\"container\":56,\"protocol\":\"tcp\",\"host\":22}]"},
	{"testGetContainerDescriptor", "", "\"restart\":\"no\""},
	{"testExtraCommaInEntryPointFeild", "container.entrypoint: './test.py,-v,-m,--human-readable,,,'",
		"\"entrypoint\":[\"./test.py\",\"-v\",\"-m\",\"--human-readable\"]"},
	{"testMemoryOptionEmpty", "", "-memory"},
	{"testMemoryOptionNoSuffix", "container.memory: '12345678'", "\"memory\":12345678"},
	{"testMemoryOptionByteSuffix", "container.memory: 12345678b", "\"memory\":12345678"},
	{"testMemoryOptionKiloSuffix", "container.memory: 11111k", "\"memory\":\"11111k\""},
	{"testMemoryOptionMegaSuffix", "container.memory: 2222m", "\"memory\":\"2222m\""},
	{"testMemoryOptionGigaSuffix", "container.memory: 7g", "\"memory\":\"7g\""},
	{"testCpusOptionEmpty", "container.cpus: ~", "-cpus"},
	{"testCpusOption", "container.cpus: 0.78", "\"cpus\":0.78"},
	{"testCpusOption, as text", "container.cpus: '0.5'", "\"cpus\":0.5"},
	{"testGpusOptionEmpty", "container.gpus: ~", "-gpus"},
	{"testCpusOptionWithNumber", "container.gpus: '2'", "\"gpus\":{\"count\":2}"},
	{"testCpusOptionAll", "container.gpus: all", "\"gpus\":{\"count\":-1}"},
	{"testRuntimeOptionEmpty", "container.runtime: ~", "-runtime"},
	{"testRuntimeOptionIsSet", "container.runtime: coolRuntime", "\"runtime\":\"coolRuntime\""},
	{"testEnforcementDigest",
		"container.signature.enforcement.digest: "
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"\"signature\":{\"enforcementDigest\":"
		"\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"},

	/* what those do not have */
	{"name of 2026", "container.name: other", "\"name\":\"other\""},
	{"variables", "container.env: ' A=1 , B=a=b,,'", "\"environment\":[\"A=1\",\"B=a=b\"]"},
	{"a digest for a tag",
		"container.image.tag: sha256:" /* 64 digits */
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"\"image\":\"hello-world@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""},
	{"external protocols are ignored", "container.ports.external: '22:udp'\ncontainer.ports.internal: '56'",
		"\"ports\":[{\"container\":56,\"protocol\":\"tcp\",\"host\":22}]"},
	{"any other protocol is tcp", "container.ports.external: '22'\ncontainer.ports.internal: '56:icmp'",
		"\"ports\":[{\"container\":56,\"protocol\":\"tcp\",\"host\":22}]"},
	{"sctp", "container.ports.external: '22'\ncontainer.ports.internal: '56:SCTP'",
		"\"ports\":[{\"container\":56,\"protocol\":\"sctp\",\"host\":22}]"},
	{"third part of a volume", "container.volume: '/a:/b:ro , vol:/c'",
		"\"volumes\":[{\"type\":\"bind\",\"source\":\"/a\",\"target\":\"/b\",\"readOnly\":true,"
		"\"createSource\":true},{\"type\":\"volume\",\"source\":\"vol\",\"target\":\"/c\"}]"},
	{"device with its parts", "container.device: '/dev/a:/dev/b:rw,/dev/c'",
		"\"devices\":[{\"path\":\"/dev/a\",\"target\":\"/dev/b\",\"permissions\":\"rw\"},"
		"{\"path\":\"/dev/c\"}]"},
	{"restart", "container.restart.onfailure: true", "-restart"}, /* unless-stopped, as ours */
	{"network mode", "container.networkMode: ' host '", "\"networkMode\":\"host\""},
	{"sealed", "registry.username: a\nregistry.password: sealed:AAAA",
		"\"registry\":{\"username\":\"a\",\"sealed\":\"AAAA\"}"},
	{"default logger", "container.loggingType: DEFAULT\ncontainer.loggerParameters: max-size=10m", "-logging"},
	{"default logger with a size", "container.loggingType: DEFAULT\ncontainer.loggerParameters: max-size=9m",
		"\"logging\":{\"options\":{\"max-size\":\"9m\"}}"},
	{"default size stays", "container.loggingType: LOCAL\ncontainer.loggerParameters: max-size=10m",
		"\"logging\":{\"driver\":\"local\",\"options\":{\"max-size\":\"10m\"}}"},
	{"default size goes with NONE", "container.loggingType: NONE\ncontainer.loggerParameters: max-size=10m",
		"\"logging\":{\"driver\":\"none\"}"},
	{"trust anchor", "container.signature.trust.anchor: key", "\"signature\":{\"trustAnchor\":\"key\"}"},
	{"identity", "container.identity.enabled: true\ncontainer.permissions: 'a, b'",
		"\"identity\":{\"enabled\":true,\"permissions\":[\"a\",\"b\"]}"},
	{"typed values", "container.image: {type: STRING, value: typed}", "\"image\":\"typed:latest\""},
};

static void check_member(const char *row, const Value *actual, const char *expected)
{
	autoclear(Buffer) text = {0};
	autoptr(Value) wanted = NULL;
	autofree char *document = NULL;
	const char *name;
	Value *member;
	size_t cursor = 0;

	value_write(actual, &text);
	if (*expected == '-') {
		if (value_get(actual, expected + 1))
			print_error("%s: %s\n", row, buffer_text(&text));
		assert_null(value_get(actual, expected + 1));
		return;
	}
	assert_true(asprintf(&document, "{%s}", expected) > 0);
	check_ok(value_parse(&wanted, document, strlen(document)));
	assert_true(value_each(wanted, &cursor, &name, &member));
	if (!value_get(actual, name) || !value_equal(value_get(actual, name), member)) {
		print_error("%s: %s is not in %s\n", row, expected, buffer_text(&text));
		fail();
	}
}

static void test_properties(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclear(Declaration) declaration;
		autoclear(StringList) notes = {0};
		autoptr(Value) document = with(rows[i].properties);
		declaration_init(&declaration);
		assert_int_equal(document_form(document), DOCUMENT_KURA);
		check_ok(document_read(&declaration, &notes, DOCUMENT_KURA, document, "file"));
		autoptr(Value) actual = declaration_value(&declaration);
		check_member(rows[i].name, actual, rows[i].expected);
	}
}

/* What Kura takes silently, and fails at or misunderstands later, is an error that names the property. */
static void test_errors_name_the_property(void **state)
{
	static const struct {
		const char *properties, *message;
	} bad[] = {
		{"container.ports.internal: '8000-8010'\ncontainer.ports.external: '8000-8010'",
			"property \"container.ports.internal\": \"8000-8010\" is not one port: ranges are not "
			"possible"},
		{"container.ports.internal: '80'\ncontainer.ports.external: '-80'",
			"property \"container.ports.external\": \"-80\" is not one port: ranges are not possible"},
		{"container.ports.internal: '80, 81'\ncontainer.ports.external: '80'",
			"property \"container.ports.external\" has 1 ports, and \"container.ports.internal\" has 2: "
			"they "
			"must be as many"},
		{"container.ports.internal: 'x'\ncontainer.ports.external: '80'",
			"property \"container.ports.internal\": \"x\" is no port"},
		{"container.ports.internal: '80,,81'\ncontainer.ports.external: '1,2,3'",
			"property \"container.ports.internal\": \"\" is no port"},
		{"container.memory: 10M",
			"property \"container.memory\": \"10M\" is not a number of bytes, or one with b, k, m or g"},
		{"container.memory: 10mb",
			"property \"container.memory\": \"10mb\" is not a number of bytes, or one with b, k, m or g"},
		{"container.memory: 1.5g",
			"property \"container.memory\": \"1.5g\" is not a number of bytes, or one with b, k, m or g"},
		{"container.memory: 1k", "property \"container.memory\" must be at least 6 MiB"},
		{"container.cpus: many",
			"property \"container.cpus\": \"many\" is not a number with at most nine decimals"},
		{"container.gpus: some", "property \"container.gpus\": \"some\" is not a whole number"},
		{"container.volume: /a", "property \"container.volume\": bind \"/a\" has no target"},
		{"container.volume: 'a:b'",
			"property \"container.volume[0]\": field \"target\": \"b\" must be an absolute path"},
		{"container.device: '/dev/a:/dev/b:x'",
			"property \"container.device\": \"/dev/a:/dev/b:x\" is not of the form PATH[:TARGET[:rwm]]"},
		{"container.loggingType: PIGEON", "property \"container.loggingType\": \"PIGEON\" is unknown"},
		{"container.loggerParameters: max-size",
			"property \"container.loggerParameters\": \"max-size\" is not of the form NAME=VALUE"},
		{"container.image: ''", "property \"container.image\" must not be empty"},
		{"container.image: 'a:1'",
			"property \"container.image\": \"a:1\" has a tag, which is \"container.image.tag\"'s to say"},
		{"container.image: UPPER",
			"property \"container.image\": invalid reference \"UPPER:latest\": repository name must be "
			"lower case"},
		{"container.image.download.retries: -1",
			"property \"container.image.download.retries\" must be between 0 and 2147483647"},
		{"container.image.download.timeout: 0",
			"property \"container.image.download.timeout\" must be between 1 and 2147483647"},
		{"container.enabled: maybe",
			"property \"container.enabled\" must be true or false, not of type string"},
		{"container.imagetag: x", "property \"container.imagetag\" is unknown"},
		{"image: x", "field \"image\" is no property of a container instance"},
		{"container.name: 'a b'",
			"property \"container.name\": \"a b\" is no container's name: [a-zA-Z0-9][a-zA-Z0-9_.-], 2 to "
			"128 characters"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		autoclear(Declaration) declaration;
		autoptr(Value) document = with(bad[i].properties);
		declaration_init(&declaration);
		check_invalid(kura_read(&declaration, &(StringList){0}, document, NULL), bad[i].message);
	}
}

static void test_notes(void **state)
{
	autoclear(Declaration) declaration;
	autoclear(StringList) notes = {0};
	autoptr(Value) document = with("container.loggingType: NONE\ncontainer.loggerParameters: max-size=10m\n");

	(void)state;
	declaration_init(&declaration);
	check_ok(kura_read(&declaration, &notes, document, NULL));
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.items[0], "property \"container.loggerParameters\": \"max-size=10m\" is left out: "
					    "logger type NONE has no such option");
}

/* testOptionsEqualsSameObject to testOptionsDifferEmptyProperties: what is the same and what is not. */
static void test_options_equal(void **state)
{
	autoclear(Declaration) first, second, third;
	autoptr(Value) a = with("");
	autoptr(Value) b = with("container.image: other");

	(void)state;
	declaration_init(&first);
	declaration_init(&second);
	declaration_init(&third);
	check_ok(kura_read(&first, &(StringList){0}, a, NULL));
	check_ok(kura_read(&second, &(StringList){0}, a, NULL));
	check_ok(kura_read(&third, &(StringList){0}, b, NULL));
	assert_int_equal(declaration_compare(&(StringList){0}, &first, &second), DECLARED_SAME);
	autoclear(StringList) names = {0};
	assert_int_equal(declaration_compare(&names, &first, &third), DECLARED_RECREATE);
	assert_string_equal(names.items[0], "image");
}

/* The defaults of an absent property are those of Kura's code; the file's name is the last resort. */
static void test_almost_nothing(void **state)
{
	autoclear(Declaration) declaration;
	autoclear(StringList) notes = {0};
	autofree char *text = NULL;
	static const char yaml[] = "container.enabled: true\n";

	(void)state;
	declaration_init(&declaration);
	check_ok(document_parse(&declaration, &notes, &text, NULL, yaml, strlen(yaml), "from-file"));
	autoptr(Value) actual = declaration_value(&declaration);
	check_member("", actual, "\"name\":\"from-file\"");
	check_member("", actual, "\"image\":\"nginx:latest\"");
	check_member("", actual, "\"restart\":\"no\"");
	check_member("", actual, "-ports");
	check_member("", actual, "-logging");
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_errors_name_the_property),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_options_equal),
		cmocka_unit_test(test_almost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
