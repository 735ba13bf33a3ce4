// SPDX-License-Identifier: Apache-2.0
/* container_spec_check(): a spec in its stored form, and what is said of it. */
#include "check.h"
#include "runtime/spec.h"

typedef struct Case {
	const char *members; /* beside image and command */
	const char *message; /* NULL: fine */
} Case;

static Error *check_spec(const char *text)
{
	autoclear(ContainerSpec) spec;

	container_spec_init(&spec);
	check_ok(fields_read_text(container_spec_fields, &spec, "spec", text, strlen(text), FIELDS_STRICT));
	return container_spec_check(&spec);
}

static void run_cases(const Case *cases, size_t count, ErrorKind kind)
{
	for (size_t i = 0; i < count; i++) {
		autofree char *text = NULL;
		if (asprintf(&text, "{\"image\":\"x\",\"command\":[\"c\"]%s%s}", *cases[i].members ? "," : "",
			    cases[i].members) < 0)
			abort();
		Error *error = check_spec(text);
		if (!cases[i].message) {
			check_ok(error);
			continue;
		}
		if (!error)
			print_error("%s\n", cases[i].members);
		check_error(error, kind, cases[i].message);
	}
}

#define RUN(cases, kind) run_cases(cases, sizeof(cases) / sizeof((cases)[0]), kind)

static void test_numbers(void **state)
{
	static const Case cases[] = {
		{"", NULL},
		{"\"memory\":6291456", NULL},
		{"\"memory\":6291455", "field \"memory\" must be at least 6 MiB"},
		{"\"memory\":-1", "field \"memory\" must be at least 6 MiB"},
		{"\"memoryReservation\":4096", "field \"memoryReservation\" must be at least 6 MiB"},
		{"\"memory\":8388608,\"memoryReservation\":9000000",
			"field \"memoryReservation\" must not be larger than field \"memory\""},
		{"\"memory\":8388608,\"memoryReservation\":7000000", NULL},
		{"\"memory\":8388608,\"memorySwap\":-1", NULL},
		{"\"memorySwap\":-1", NULL},
		{"\"memorySwap\":-2", "field \"memorySwap\" must be -1 (no limit) or more"},
		{"\"memorySwap\":9000000", "field \"memorySwap\" needs field \"memory\": it is the sum of both"},
		{"\"memory\":8388608,\"memorySwap\":7000000",
			"field \"memorySwap\" must not be smaller than field \"memory\": it is the sum of both"},
		{"\"nanoCpus\":10000000", NULL},
		{"\"nanoCpus\":9999999", "field \"nanoCpus\" must be at least 0.01 CPUs"},
		{"\"nanoCpus\":500000000,\"cpuQuota\":50000",
			"field \"nanoCpus\" cannot be set together with \"cpuPeriod\" or \"cpuQuota\""},
		{"\"cpuQuota\":50000,\"cpuPeriod\":100000", NULL},
		{"\"cpuQuota\":999", "field \"cpuQuota\" must be at least 1000 microseconds"},
		{"\"cpuPeriod\":999", "field \"cpuPeriod\" must be between 1000 and 1000000 microseconds"},
		{"\"cpuShares\":1", "field \"cpuShares\" must be between 2 and 262144"},
		{"\"cpuShares\":1024", NULL},
		{"\"pidsLimit\":-1", NULL},
		{"\"pidsLimit\":-2", "field \"pidsLimit\" must be between -1 (no limit) and 4194304"},
		{"\"blkioWeight\":9", "field \"blkioWeight\" must be between 10 and 1000"},
		{"\"oomScoreAdj\":-1001", "field \"oomScoreAdj\" must be between -1000 and 1000"},
		{"\"oomScoreAdj\":-999", NULL},
		{"\"shmSize\":-1", "field \"shmSize\" must not be negative"},
		{"\"stopTimeout\":0", NULL},
		{"\"stopTimeout\":-2", "field \"stopTimeout\" must be -1 (default) or more seconds"},
		{"\"cpusetCpus\":\"0\",\"cpusetMems\":\"0-1,3\"", NULL},
		{"\"cpusetCpus\":\"0-\"", "field \"cpusetCpus\": \"0-\" is not a list like 0-2,4"},
		{"\"cpusetCpus\":\"0,\"", "field \"cpusetCpus\": \"0,\" is not a list like 0-2,4"},
		{"\"cpusetCpus\":\"a\"", "field \"cpusetCpus\": \"a\" is not a list like 0-2,4"},
		{"\"cpusetMems\":\"3-1\"", "field \"cpusetMems\": \"3-1\" is not a list like 0-2,4"},
	};

	(void)state;
	RUN(cases, ERROR_INVALID);
}

static void test_process(void **state)
{
	static const Case cases[] = {
		{"\"workdir\":\"/a b\"", NULL},
		{"\"workdir\":\"a\"", "field \"workdir\": \"a\" must be an absolute path"},
		{"\"env\":[\"A\",\"B=c=d\"]", NULL},
		{"\"env\":[\"=x\"]", "field \"env\" holds a variable without a name"},
		{"\"env\":[\"\"]", "field \"env\" holds a variable without a name"},
		{"\"hostname\":\"edge-1.example\"", NULL},
		{"\"hostname\":\"a/b\"", "field \"hostname\": \"a/b\" is not a host name"},
		{"\"domainname\":\"a b\"", "field \"domainname\": \"a b\" is not a host name"},
		{"\"hostname\":\"a123456789b123456789c123456789d123456789e123456789f123456789g1234\"",
			"field \"hostname\" must not be longer than 64 characters"},
		{"\"user\":\"a\\nb\"", "field \"user\" is not a user's name or number"},
		{"\"entrypoint\":[\"\"]", "field \"entrypoint\" must not begin with an empty word"},
	};

	(void)state;
	RUN(cases, ERROR_INVALID);
	check_invalid(check_spec("{\"command\":[\"c\"]}"), "field \"image\" is missing");
	check_invalid(
		check_spec("{\"image\":\"x\"}"), "no command specified: neither the caller nor the image gives one");
	check_invalid(check_spec("{\"image\":\"x\",\"command\":[\"\"]}"),
		"field \"command\" must not begin with an empty word");
}

static void test_mounts(void **state)
{
	static const Case cases[] = {
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/b\"}]", NULL},
		{"\"mounts\":[{\"source\":\"a\",\"target\":\"/b\"}]",
			"mounts[0]: field \"source\": \"a\" must be an absolute path"},
		{"\"mounts\":[{\"target\":\"/b\"}]", "mounts[0]: field \"source\" is missing"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"b\"}]",
			"mounts[0]: field \"target\": \"b\" must be an absolute path"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/\"}]", "mounts[0]: field \"target\" must not be \"/\""},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/x/../..\"}]",
			"mounts[0]: field \"target\": \"/x/../..\" is not a plain path"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/a..b\"}]", NULL},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/b\",\"propagation\":\"loud\"}]",
			"mounts[0]: field \"propagation\": \"loud\" is unknown"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/b\"},{\"kind\":\"tmpfs\",\"target\":\"/b\"}]",
			"mounts[1]: target \"/b\" is mounted twice"},
		{"\"mounts\":[{\"kind\":\"tmpfs\",\"target\":\"/b\",\"options\":\"size=1m,mode=1777,exec\"}]", NULL},
		{"\"mounts\":[{\"kind\":\"tmpfs\",\"target\":\"/b\",\"options\":\"lowerdir=/\"}]",
			"mounts[0]: option \"lowerdir=/\" is unknown to tmpfs"},
		{"\"mounts\":[{\"kind\":\"tmpfs\",\"target\":\"/b\",\"source\":\"/a\"}]",
			"mounts[0]: a tmpfs has no field \"source\""},
		{"\"mounts\":[{\"kind\":\"volume\",\"target\":\"/v\"}]", NULL},
		{"\"mounts\":[{\"kind\":\"volume\",\"source\":\"v\",\"target\":\"/v\",\"propagation\":\"rshared\"}]",
			"mounts[0]: invalid mount config for type \"volume\": field BindOptions must not be specified"},
		{"\"mounts\":[{\"kind\":\"volume\",\"source\":\"v\",\"target\":\"/v\",\"subpath\":\"a/..b\"}]", NULL},
		{"\"mounts\":[{\"kind\":\"volume\",\"source\":\"v\",\"target\":\"/v\",\"subpath\":\"a/../b\"}]",
			"mounts[0]: subpath must be a relative path within the volume"},
		{"\"mounts\":[{\"kind\":\"volume\",\"source\":\"v\",\"target\":\"/v\",\"subpath\":\"/a\"}]",
			"mounts[0]: subpath must be a relative path within the volume"},
		{"\"mounts\":[{\"source\":\"/a\",\"target\":\"/b\",\"readOnlyBelow\":true}]",
			"mounts[0]: mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive"},
	};

	(void)state;
	RUN(cases, ERROR_INVALID);
}

static void test_isolation(void **state)
{
	static const Case cases[] = {
		{"\"networkMode\":\"none\"", NULL},
		{"\"networkMode\":\"host\"", NULL},
		{"\"networkMode\":\"bridge\"", NULL},
		{"\"networkMode\":\"\"", NULL},
		{"\"pidMode\":\"host\",\"ipcMode\":\"none\",\"utsMode\":\"host\",\"cgroupnsMode\":\"private\"", NULL},
		{"\"networkMode\":\"container:a\",\"pidMode\":\"container:a\",\"ipcMode\":\"container:a\"", NULL},
		{"\"networkMode\":\"container:\"", "field \"networkMode\": \"container:\" is unknown"},
		{"\"utsMode\":\"container:abc\"", "field \"utsMode\": \"container:abc\" is unknown"},
		{"\"usernsMode\":\"host\",\"cgroupParent\":\"a/b\"", NULL},
		{"\"cgroupParent\":\"../a\"", "field \"cgroupParent\": \"../a\" is not a plain path"},
		{"\"deviceRules\":[\"c 1:3 r\",\"a *:* rwm\",\"b 8:* mrw\"]", NULL},
		{"\"deviceRules\":[\"c 1:3\"]",
			"field \"deviceCgroupRules\": \"c 1:3\" is not of the form \"c 188:* rwm\""},
		{"\"deviceRules\":[\"x 1:3 r\"]",
			"field \"deviceCgroupRules\": \"x 1:3 r\" is not of the form \"c 188:* rwm\""},
		{"\"deviceRules\":[\"c 1:4* r\"]",
			"field \"deviceCgroupRules\": \"c 1:4* r\" is not of the form \"c 188:* rwm\""},
		{"\"deviceRules\":[\"c 1:4 rx\"]",
			"field \"deviceCgroupRules\": \"c 1:4 rx\" is not of the form \"c 188:* rwm\""},
		{"\"maskedPaths\":[\"proc\"],\"maskedPathsGiven\":true",
			"field \"maskedPaths\": \"proc\" must be an absolute path"},
		{"\"pidMode\":\"elsewhere\"", "field \"pidMode\": \"elsewhere\" is unknown"},
		{"\"utsMode\":\"host\",\"hostname\":\"x\"",
			"field \"utsMode\" \"host\" cannot be set together with a host or domain name"},
		{"\"capAdd\":[\"FLY\"]", "field \"capAdd\": capability \"FLY\" is unknown"},
		{"\"securityOptions\":[\"seccomp=unconfined\",\"seccomp:unconfined\",\"no-new-privileges\","
		 "\"no-new-privileges:true\",\"no-new-privileges=false\",\"apparmor=unconfined\",\"label=disable\","
		 "\"label=type:x\","
		 "\"systempaths=unconfined\",\"seccomp=builtin\"]",
			NULL},
		{"\"securityOptions\":[\"no-new-privileges=maybe\"]",
			"field \"securityOptions\": \"no-new-privileges=maybe\": \"maybe\" is neither true nor false"},
		{"\"securityOptions\":[\"magic\"]", "field \"securityOptions\": \"magic\": option is unknown"},
		{"\"sysctls\":{\"net.core.somaxconn\":\"1\",\"kernel.shmmax\":\"2\",\"fs.mqueue.msg_max\":\"3\"}",
			NULL},
		{"\"sysctls\":{\"kernel.panic\":\"1\"}",
			"field \"sysctls\": \"kernel.panic\" does not belong to a container's namespaces"},
		{"\"sysctls\":{\"net/../kernel/panic\":\"1\"}",
			"field \"sysctls\": \"net/../kernel/panic\" does not belong to a container's namespaces"},
		{"\"sysctls\":{\"net.../kernel\":\"1\"}",
			"field \"sysctls\": \"net.../kernel\" does not belong to a container's namespaces"},
		{"\"networkMode\":\"host\",\"sysctls\":{\"net.core.somaxconn\":\"1\"}",
			"field \"sysctls\": \"net.core.somaxconn\" cannot be set on the host's network"},
		{"\"ipcMode\":\"host\",\"sysctls\":{\"kernel.sem\":\"1\"}",
			"field \"sysctls\": \"kernel.sem\" cannot be set in the host's IPC namespace"},
		{"\"ulimits\":[{\"name\":\"nofile\",\"soft\":10,\"hard\":20},{\"name\":\"core\",\"soft\":-1,\"hard\":-"
		 "1}]",
			NULL},
		{"\"ulimits\":[{\"name\":\"files\"}]", "field \"ulimits\": \"files\" is unknown"},
		{"\"ulimits\":[{\"name\":\"nofile\",\"soft\":30,\"hard\":20}]",
			"field \"ulimits\": nofile: the soft limit must not be above the hard one"},
		{"\"ulimits\":[{\"name\":\"nofile\",\"soft\":-1,\"hard\":20}]",
			"field \"ulimits\": nofile: the soft limit must not be above the hard one"},
		{"\"devices\":[{\"hostPath\":\"/dev/null\",\"containerPath\":\"/dev/x\"}]", NULL},
		{"\"devices\":[{\"hostPath\":\"null\",\"containerPath\":\"/dev/x\"}]",
			"devices[0]: field \"hostPath\" must be an absolute path"},
		{"\"devices\":[{\"hostPath\":\"/dev/null\",\"containerPath\":\"/dev/../x\"}]",
			"devices[0]: field \"containerPath\" must be an absolute path"},
		{"\"devices\":[{\"hostPath\":\"/dev/null\",\"containerPath\":\"/dev/x\",\"permissions\":\"rx\"}]",
			"devices[0]: field \"permissions\": \"rx\" is not made of r, w and m"},
	};

	(void)state;
	RUN(cases, ERROR_INVALID);
}

static void test_names(void **state)
{
	static const Case cases[] = {
		{"\"extraHosts\":[\"a:1.2.3.4\",\"b:::1\"]", NULL},
		{"\"extraHosts\":[\"a\"]", "field \"extraHosts\": \"a\" is not of the form name:address"},
		{"\"extraHosts\":[\"a b:1.1.1.1\"]",
			"field \"extraHosts\": \"a b:1.1.1.1\" is not of the form name:address"},
		{"\"extraHosts\":[\"a\\nb:1.1.1.1\"]",
			"field \"extraHosts\": \"a\nb:1.1.1.1\" is not of the form name:address"},
		{"\"extraHosts\":[\"a:b\"]", "field \"extraHosts\": \"b\" is not an address"},
		{"\"dns\":[\"8.8.8.8\",\"fe80::1\"],\"dnsSearch\":[\"x.y\"],\"dnsOptions\":[\"ndots:2\"]", NULL},
		{"\"dns\":[\"dns.example\"]", "field \"dns\": \"dns.example\" is not an address"},
		{"\"dnsSearch\":[\"a\\nnameserver 1\"]", "field \"dnsSearch\": \"a\nnameserver 1\" is not one word"},
	};

	(void)state;
	RUN(cases, ERROR_INVALID);
}

static void test_life(void **state)
{
	static const Case cases[] = {
		{"\"restartPolicy\":\"on-failure\",\"restartMax\":3", NULL},
		{"\"restartPolicy\":\"always\",\"restartMax\":3",
			"field \"restartMax\" goes with restart policy \"on-failure\" alone"},
		{"\"restartPolicy\":\"always\",\"autoRemove\":true",
			"field \"autoRemove\" cannot be set together with a restart policy"},
		{"\"stopSignal\":\"SIGINT\"", NULL},
		{"\"healthOnFailure\":\"stop\"", NULL},
		{"\"healthOnFailure\":\"cry\"",
			"field \"healthOnFailure\": \"cry\" is none of none, kill, restart, stop"},
		{"\"health\":{\"Test\":[\"NONE\"]}", NULL},
		{"\"health\":{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":1000000}", NULL},
		{"\"health\":{\"Test\":[\"CMD\"]}", "field \"health\" has a test without command"},
		{"\"health\":{\"Test\":[\"true\"]}",
			"field \"health\": test must begin with NONE, CMD or CMD-SHELL, not \"true\""},
		{"\"health\":{\"Interval\":1000}", "field \"health\": interval must be at least 1 ms"},
		{"\"logOptions\":{\"max-size\":\"10m\",\"max-file\":\"3\"}", NULL},
		{"\"logOptions\":{\"max-size\":\"-1\"}", NULL},
	};

	(void)state;
	RUN(cases, ERROR_INVALID);
	Error *error = check_spec("{\"image\":\"x\",\"command\":[\"c\"],\"stopSignal\":\"SIGNOPE\"}");
	assert_int_equal(error_kind(error), ERROR_INVALID);
	assert_non_null(strstr(error_message(error), "field \"stopSignal\": "));
	assert_non_null(strstr(error_message(error), "NOPE"));
	error_free(error);
}

/* What the struct can hold and nothing can do yet is refused by its name. */
static void test_log_drivers(void **state)
{
	static const Case bad[] = {
		{"\"logDriver\":\"colour\"", "field \"logDriver\": log driver \"colour\" is unknown"},
		{"\"logOptions\":{\"colour\":\"x\"}",
			"field \"logOptions\": unknown log opt 'colour' for json-file log driver"},
		{"\"logDriver\":\"journald\",\"logOptions\":{\"max-size\":\"1m\"}",
			"field \"logOptions\": unknown log opt 'max-size' for journald log driver"},
		{"\"logDriver\":\"syslog\",\"logOptions\":{\"tag\":\"{{.Name}}\"}", NULL},
	};
	static const Case absent[] = {
		{"\"logDriver\":\"splunk\"", "field \"logDriver\": log driver \"splunk\" is not supported"},
	};

	(void)state;
	RUN(bad, ERROR_INVALID);
	RUN(absent, ERROR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_isolation),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_log_drivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
