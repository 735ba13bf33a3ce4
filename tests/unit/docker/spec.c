// SPDX-License-Identifier: Apache-2.0
#include "docker/spec.h"

#include "check.h"

static fallible read_text(ContainerSpec *ret, const char *json)
{
	autoptr(Value) body = NULL;

	TRY(value_parse(&body, json, strlen(json)));
	return spec_read(ret, body);
}

static void refuses(const char *json, ErrorKind kind, const char *message)
{
	autoclear(ContainerSpec) spec = {0};

	check_error(read_text(&spec, json), kind, message);
}

/* What docker 28.2.2 sends for `docker create busybox`, shortened where all is alike. */
static void test_docker_defaults(void **state)
{
	autoclear(ContainerSpec) spec = {0};

	(void)state;
	check_ok(read_text(&spec, "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,"
				  "\"AttachStdout\":true,\"AttachStderr\":true,"
				  "\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,\"Cmd\":null,"
				  "\"Image\":\"busybox\",\"Volumes\":{},"
				  "\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{},"
				  "\"HostConfig\":{\"Binds\":null,\"ContainerIDFile\":"
				  "\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":{}},\"NetworkMode\":\"default\","
				  "\"PortBindings\":{},\"RestartPolicy\":{"
				  "\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":false,\"VolumeDriver\":\"\","
				  "\"VolumesFrom\":null,\"ConsoleSize\":"
				  "[0,0],\"CapAdd\":null,\"CapDrop\":null,\"CgroupnsMode\":\"\",\"Dns\":[],"
				  "\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":"
				  "null,\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,"
				  "\"OomScoreAdj\":0,\"PidMode\":\"\",\"Privileged\":"
				  "false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,"
				  "\"UTSMode\":\"\",\"UsernsMode\":\"\","
				  "\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,"
				  "\"CgroupParent\":\"\",\"BlkioWeight\":0,"
				  "\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],\"CpuPeriod\":0,"
				  "\"CpuRealtimePeriod\":0,\"CpusetCpus\":\"\",\"Devices\":"
				  "[],\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemorySwappiness\":-1,"
				  "\"OomKillDisable\":false,\"PidsLimit\":0,"
				  "\"Ulimits\":[],\"CpuCount\":0,\"IOMaximumIOps\":0,\"MaskedPaths\":null,"
				  "\"ReadonlyPaths\":null},\"NetworkingConfig\":{"
				  "\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null,\"Links\":null}}}}"));
	assert_string_equal(spec.image, "busybox");
	assert_null(spec.hostname);
	assert_null(spec.user);
	assert_null(spec.ipc_mode);
	assert_null(spec.log_driver);
	assert_string_equal(spec.network_mode, "default");
	assert_false(spec.entrypoint_reset);
	assert_int_equal(spec.restart_policy, RESTART_NO);
	assert_int_equal(spec.stop_timeout_s, -1);
	assert_int_equal(spec.mounts.count, 0);
}

static void test_conversions(void **state)
{
	autoclear(ContainerSpec) spec = {0};
	const MountSpec *mounts;

	(void)state;
	check_ok(read_text(&spec,
		"{\"Image\":\"x\",\"Cmd\":\"one "
		"word\",\"Entrypoint\":[\"\"],\"StopTimeout\":3,\"StopSignal\":\"INT\",\"Healthcheck\":{"
		"\"Test\":[\"CMD\",\"true\"],\"Interval\":1000000000},\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"on-"
		"failure\","
		"\"MaximumRetryCount\":4},\"LogConfig\":{\"Type\":\"none\"},\"Mounts\":[{\"Type\":\"bind\",\"Source\":"
		"\"/a\",\"Target\":\"/b\","
		"\"ReadOnly\":true,\"BindOptions\":{\"Propagation\":\"rslave\"}},{\"Type\":\"tmpfs\",\"Target\":\"/"
		"t\",\"TmpfsOptions\":{"
		"\"SizeBytes\":4096,\"Mode\":511}}],\"Tmpfs\":{\"/"
		"u\":\"size=1m\"},\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1,\"Hard\":2}],"
		"\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/"
		"x\",\"CgroupPermissions\":\"r\"}],\"Init\":true}}"));
	assert_int_equal(spec.command.count, 1);
	assert_true(spec.entrypoint_reset);
	assert_int_equal(spec.entrypoint.count, 0);
	assert_int_equal(spec.stop_timeout_s, 3);
	assert_int_equal(spec.health.interval_ns, 1000000000);
	assert_int_equal(spec.restart_policy, RESTART_ON_FAILURE);
	assert_int_equal(spec.restart_max, 4);
	assert_string_equal(spec.log_driver, "none");
	assert_true(spec.init);
	mounts = spec.mounts.items;
	assert_int_equal(spec.mounts.count, 3);
	assert_string_equal(mounts[0].propagation, "rslave");
	assert_true(mounts[0].read_only);
	assert_string_equal(mounts[1].options, "size=4096,mode=777");
	assert_string_equal(mounts[2].target, "/u");
	assert_string_equal(((const UlimitSpec *)spec.ulimits.items)->name, "nofile");
	assert_string_equal(((const DeviceSpec *)spec.devices.items)->permissions, "r");
}

static void test_refusals(void **state)
{
	(void)state;
	refuses("{}", ERROR_INVALID, "field \"Image\" is missing");
	refuses("{\"Image\":1}", ERROR_INVALID, "field \"Image\" must be a string, not a number");
	refuses("{\"Image\":\"x\",\"Env\":[1]}", ERROR_INVALID, "field \"Env[0]\" must be a string, not a number");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"Memory\":\"1g\"}}", ERROR_INVALID,
		"HostConfig: field \"Memory\" must be a number, not a string");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"MaskedPaths\":\"/proc\"}}", ERROR_INVALID,
		"field \"HostConfig.MaskedPaths\" must be an array of strings, not a string");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"UsernsMode\":\"private\"}}", ERROR_UNSUPPORTED,
		"field \"HostConfig.UsernsMode\": user namespaces are not available yet");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\","
		"\"BindOptions\":{\"ReadOnlyNonRecursive\":true,\"ReadOnlyForceRecursive\":true}}]}}",
		ERROR_INVALID,
		"mount options conflict: BindOptions.ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"sometimes\"}}}", ERROR_INVALID,
		"invalid restart policy 'sometimes'");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"AutoRemove\":true,\"RestartPolicy\":{\"Name\":\"always\"}}}",
		ERROR_INVALID, "can't create 'AutoRemove' container with restart policy");
}

static const PortSpec *port_at(const ContainerSpec *spec, size_t index)
{
	assert_in_range(index, 0, spec->ports.count - 1);
	return &((const PortSpec *)spec->ports.items)[index];
}

static void test_ports(void **state)
{
	autoclear(ContainerSpec) spec = {0};

	(void)state;
	check_ok(read_text(&spec,
		"{\"Image\":\"x\",\"HostConfig\":{\"PublishAllPorts\":true,\"PortBindings\":{\"80/tcp\":[{"
		"\"HostPort\":\"8080\"},{\"HostIp\":\"::1\",\"HostPort\":\"\"}],\"53/udp\":[{\"HostIp\":"
		"\"192.0.2.7\",\"HostPort\":\"5300-5310\"}],\"9\":null,\"99/sctp\":[null]}}}"));
	assert_true(spec.publish_all);
	assert_int_equal(spec.ports.count, 4);
	assert_int_equal(port_at(&spec, 0)->port, 80);
	assert_int_equal(port_at(&spec, 0)->host_port, 8080);
	assert_null(port_at(&spec, 0)->host_address);
	assert_string_equal(port_at(&spec, 1)->host_address, "::1");
	assert_int_equal(port_at(&spec, 1)->host_port, 0);
	assert_int_equal(port_at(&spec, 2)->protocol, PROTOCOL_UDP);
	assert_int_equal(port_at(&spec, 2)->host_port, 5300);
	assert_int_equal(port_at(&spec, 2)->host_port_end, 5310);
	assert_int_equal(port_at(&spec, 3)->protocol, PROTOCOL_SCTP);
}

#define PORTS(json) "{\"Image\":\"x\",\"HostConfig\":{\"PortBindings\":" json "}}"

/* An inspect shows them in another form than that in which they are given. */
static void test_links(void **state)
{
	autoclear(ContainerSpec) spec = {0};

	(void)state;
	check_ok(read_text(&spec, "{\"Image\":\"x\",\"HostConfig\":{\"Links\":[\"a:b\",\"c\",\"/d:/me/e\"]}}"));
	assert_string_equal(spec.links.items[0], "a:b");
	assert_string_equal(spec.links.items[1], "c:c");
	assert_string_equal(spec.links.items[2], "d:e");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"Links\":[\"a:b:c\"]}}", ERROR_INVALID,
		"bad format for links: a:b:c");
	refuses("{\"Image\":\"x\",\"HostConfig\":{\"Links\":[\"a:\"]}}", ERROR_INVALID, "bad format for links: a:");
}

static void test_bad_ports(void **state)
{
	(void)state;
	refuses(PORTS("{\"http\":[{}]}"), ERROR_INVALID, "invalid port specification: \"http\"");
	refuses(PORTS("{\"80/icmp\":[{}]}"), ERROR_INVALID, "invalid port specification: \"80\"");
	refuses(PORTS("{\"80\":[{\"HostPort\":\"x\"}]}"), ERROR_INVALID, "invalid port specification: \"x\"");
	refuses(PORTS("{\"80\":[{\"HostPort\":\"70000\"}]}"), ERROR_INVALID, "invalid port specification: \"70000\"");
	refuses(PORTS("{\"80\":[{\"HostPort\":\"90-80\"}]}"), ERROR_INVALID, "invalid port specification: \"90-80\"");
	refuses(PORTS("{\"80\":[{\"HostPort\":\"0-10\"}]}"), ERROR_INVALID,
		"field \"HostConfig.PortBindings\": a range of host ports cannot begin with 0: \"0-10\"");
	refuses(PORTS("{\"80\":[{\"HostIp\":\"here\"}]}"), ERROR_INVALID, "invalid IP address: here");
	refuses(PORTS("{\"80\":[\"8080\"]}"), ERROR_INVALID,
		"field \"HostConfig.PortBindings\": a binding must be an object");
	refuses(PORTS("{\"80\":[{\"HostPort\":8080}]}"), ERROR_INVALID,
		"field \"HostConfig.PortBindings\": \"HostPort\" must be a string");
	refuses(PORTS("{\"80\":{\"HostPort\":\"8080\"}}"), ERROR_INVALID,
		"field \"HostConfig.PortBindings.80\" must be an array");
}

#define NETWORKS(mode, json)                                                                                           \
	"{\"Image\":\"x\",\"HostConfig\":{\"NetworkMode\":\"" mode                                                     \
	"\"},\"NetworkingConfig\":{\"EndpointsConfig\":{" json "}}}"

static void test_endpoints(void **state)
{
	autoclear(ContainerSpec) spec = {0};
	const EndpointSpec *endpoint;

	(void)state;
	check_ok(read_text(&spec,
		NETWORKS("web",
			"\"web\":{\"IPAMConfig\":{\"IPv4Address\":\"192.0.2.7\",\"IPv6Address\":\"\",\"LinkLocalIPs\":["
			"\"169.254.0.7\"]},\"Aliases\":[\"a\"],\"Links\":[\"c:d\"],\"MacAddress\":\"02:42:00:00:00:"
			"07\","
			"\"DriverOpts\":{\"k\":\"v\"},\"GwPriority\":-3,\"IPAddress\":\"192.0.2.99\"},\"data\":null")));
	assert_string_equal(spec.network_mode, "web");
	assert_int_equal(spec.endpoints.count, 2);
	endpoint = spec.endpoints.items;
	assert_string_equal(endpoint->network, "web");
	assert_string_equal(endpoint->ipv4, "192.0.2.7");
	assert_null(endpoint->ipv6);
	assert_string_equal(endpoint->link_local.items[0], "169.254.0.7");
	assert_string_equal(endpoint->aliases.items[0], "a");
	assert_string_equal(endpoint->links.items[0], "c:d");
	assert_string_equal(endpoint->mac, "02:42:00:00:00:07");
	assert_string_equal(map_get(&endpoint->options, "k"), "v");
	assert_int_equal(endpoint->priority, -3);
	assert_string_equal(endpoint[1].network, "data");
}

/* Who names a network and no mode is on that one alone. */
static void test_modes(void **state)
{
	autoclear(ContainerSpec) spec = {0};

	(void)state;
	check_ok(read_text(&spec, NETWORKS("", "\"web\":{}")));
	assert_string_equal(spec.network_mode, "web");
	check_ok(read_text(&spec, NETWORKS("default", "\"default\":{}")));
	assert_string_equal(spec.network_mode, "default");
	check_ok(read_text(&spec, NETWORKS("none", "\"none\":{}")));
	assert_int_equal(spec.endpoints.count, 0);
	refuses(NETWORKS("none", "\"none\":{\"Aliases\":[\"a\"]}"), ERROR_INVALID,
		"field \"NetworkingConfig.EndpointsConfig.none.Aliases\": only networks of a user's own have it");
	refuses(NETWORKS("web", "\"web\":{\"Aliases\":\"a\"}"), ERROR_INVALID,
		"NetworkingConfig.EndpointsConfig.web: field \"Aliases\" must be an array of strings, not a string");
	refuses("{\"Image\":\"x\",\"MacAddress\":\"02:42:00:00:00:07\",\"HostConfig\":{\"NetworkMode\":\"web\"},"
		"\"NetworkingConfig\":{\"EndpointsConfig\":{\"web\":{\"MacAddress\":\"02:42:00:00:00:08\"}}}}",
		ERROR_INVALID,
		"the container-wide MAC address must match the endpoint-specific MAC address for the main network, or "
		"be "
		"left empty");
}

/* A container made again from its inspection: all that is written can be read. */
static void test_round_trip(void **state)
{
	autoclear(ContainerSpec) spec = {0}, again = {0};
	autoclear(Buffer) text = {0};
	ContainerView view = {.default_runtime = "crun", .id = "0123456789abcdef", .spec = &spec};
	Writer writer;

	(void)state;
	check_ok(read_text(&spec,
		"{\"Image\":\"x\",\"Cmd\":[\"a\",\"b\"],\"Hostname\":\"h\",\"Labels\":{\"k\":\"v\"},\"HostConfig\":{"
		"\"PublishAllPorts\":true,"
		"\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"8080\"},{\"HostIp\":\"::1\"}],\"9/"
		"udp\":[{\"HostPort\":\"1-2\"}]},"
		"\"Binds\":[\"/a:/"
		"b\"],\"Memory\":67108864,\"NetworkMode\":\"host\",\"CapDrop\":[\"ALL\"],\"Tmpfs\":{\"/t\":\"\"},"
		"\"RestartPolicy\":{\"Name\":\"unless-stopped\"},\"ShmSize\":1048576,\"PidsLimit\":9,"
		"\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/m\",\"TmpfsOptions\":{\"SizeBytes\":4096,\"Mode\":448}},"
		"{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/c\",\"ReadOnly\":true,\"BindOptions\":{"
		"\"Propagation\":\"rslave\",\"NonRecursive\":true,\"CreateMountpoint\":true,\"ReadOnlyForceRecursive\":"
		"true}},"
		"{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/v\",\"VolumeOptions\":{\"Subpath\":\"a/b\"}}],"
		"\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/"
		"x\",\"CgroupPermissions\":\"r\"}],"
		"\"DeviceCgroupRules\":[\"c 1:* "
		"r\"],\"CgroupParent\":\"/p\",\"UsernsMode\":\"host\",\"MaskedPaths\":[],"
		"\"ReadonlyPaths\":[\"/proc/fs\"],\"Annotations\":{\"a\":\"b\"},\"GroupAdd\":[\"1\"],\"Init\":true,"
		"\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1,\"Hard\":2}],\"Sysctls\":{\"net.a\":\"1\"},"
		"\"PidMode\":\"host\",\"UTSMode\":\"host\",\"OomScoreAdj\":5,\"SecurityOpt\":[\"no-new-privileges\"],"
		"\"Dns\":[\"1.1.1.1\"],\"ExtraHosts\":[\"a:1.2.3.4\"],\"ReadonlyRootfs\":true}}"));
	assert_true(spec.masked_paths_given && spec.read_only_paths_given);
	writer_init(&writer, &text);
	write_object(&writer, NULL);
	write_config(&writer, &view);
	write_host_config(&writer, &view, 43);
	write_object_end(&writer);
	autoptr(Value) written = NULL;
	check_ok(value_parse(&written, text.data, text.length));
	Value *body = value_ref(value_get(written, "Config"));
	value_set(body, "HostConfig", value_ref(value_get(written, "HostConfig")));
	check_ok(spec_read(&again, body));
	value_free(body);
	string_replace(&spec.runtime, "crun"); /* shown, so that they come back */
	string_replace(&spec.ipc_mode, "private");
	string_replace(&spec.cgroupns_mode, "private");
	string_replace(&spec.log_driver, "json-file");
	assert_true(fields_equal(container_spec_fields, &spec, &again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker_defaults),
		cmocka_unit_test(test_conversions),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
