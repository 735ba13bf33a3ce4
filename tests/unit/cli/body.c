// SPDX-License-Identifier: Apache-2.0
/* From the words of "kedge run" to the body of POST /containers/create. */
#include "cli/container_options.h"

#include "check.h"

/* words: as typed behind "kedge create", separated by single spaces; the caller gives the body free. */
static Error *make_body(char **ret, const char *words)
{
	ContainerOptions options = container_defaults;
	autoclear(StringList) list = {0}, arguments = {0};
	autoclear(Buffer) body = {0};

	strings_split(&list, words, ' ');
	Error *error = options_parse(
		create_options, &options, (int)list.count, list.items, OPTIONS_STOP_AT_ARGUMENT, &arguments);
	if (!error)
		error = container_body(&body, &options, &arguments);
	options_clear(create_options, &options);
	if (!error)
		*ret = buffer_steal(&body);
	return error;
}

/* The body is what stands in every body, and what the words add to it at the top and in HostConfig. */
static void check_adds(const char *words, const char *top, const char *host)
{
	autofree char *line = string_printf("%s%simage", words, words[0] ? " " : "");
	autofree char *body = NULL;
	autoptr(Value) value = NULL, *wanted = NULL;

	autofree char *whole = string_printf(
		"{\"Image\":\"image\",\"AttachStdout\":true,\"AttachStderr\":true%s%s,\"HostConfig\":{%s}}",
		top[0] ? "," : "", top, host);
	check_ok(make_body(&body, line));
	check_ok(value_parse(&value, body, strlen(body)));
	check_ok(value_parse(&wanted, whole, strlen(whole)));
	if (!value_equal(value, wanted))
		assert_string_equal(body, whole);
}

static void check_refused(const char *words, ErrorKind kind, const char *message)
{
	autofree char *body = NULL;

	check_error(make_body(&body, words), kind, message);
}

static void plain(void **state)
{
	(void)state;
	check_adds("", "", "");
	check_adds("-u 1:2 -w /w -h host --stop-signal INT --stop-timeout 3",
		"\"User\":\"1:2\",\"WorkingDir\":\"/w\",\"Hostname\":\"host\",\"StopSignal\":\"INT\",\"StopTimeout\":3",
		"");
	check_adds("--stop-timeout 0", "\"StopTimeout\":0", "");
	check_adds("--entrypoint /e", "\"Entrypoint\":[\"/e\"]", "");
	check_adds("--entrypoint=", "\"Entrypoint\":[\"\"]", "");
	check_adds("-m 64m --cpus 1.5 --pids-limit -1 --memory-swap -1 --shm-size 1g --memory-swappiness 0", "",
		"\"Memory\":67108864,\"NanoCpus\":1500000000,\"PidsLimit\":-1,\"MemorySwap\":-1,\"ShmSize\":1073741824,"
		"\"MemorySwappiness\":0");
	check_adds(
		"--rm --init --privileged --read-only --network host --pid host --cap-add A --cap-add B --cap-drop ALL",
		"",
		"\"AutoRemove\":true,\"Init\":true,\"Privileged\":true,\"ReadonlyRootfs\":true,\"NetworkMode\":"
		"\"host\",\"PidMode\":\"host\",\"CapAdd\":[\"A\",\"B\"],\"CapDrop\":[\"ALL\"]");
}

static void command_words(void **state)
{
	autofree char *body = NULL, *one_stream = NULL;

	(void)state;
	check_ok(make_body(&one_stream, "-a STDERR image"));
	assert_non_null(strstr(one_stream, "\"AttachStdout\":false,\"AttachStderr\":true"));
	check_ok(make_body(&body, "--rm image -x --rm -- y"));
	assert_non_null(strstr(body, "\"Image\":\"image\",\"Cmd\":[\"-x\",\"--rm\",\"--\",\"y\"]"));
}

static void variables(void **state)
{
	(void)state;
	setenv("KEDGE_OURS", "ours", 1);
	check_adds(
		"-e A=1 -e KEDGE_OURS -e KEDGE_NOT_OURS --env B=", "\"Env\":[\"A=1\",\"KEDGE_OURS=ours\",\"B=\"]", "");
	check_adds("-l a=1 --label b -l a=2", "\"Labels\":{\"a\":\"2\",\"b\":\"\"}", "");
	check_refused("-e =1 image", ERROR_INVALID, "option \"--env\": variable \"=1\" has no name");
	check_refused("--env-file /nonexistent image", ERROR_NOT_FOUND,
		"option \"--env-file\": could not open \"/nonexistent\": No such file or directory");
}

static void mounts(void **state)
{
	(void)state;
	check_adds("-v /a:/b:ro -v name:/c -v /anonymous", "\"Volumes\":{\"/anonymous\":{}}",
		"\"Binds\":[\"/a:/b:ro\",\"name:/c\"]");
	check_adds(
		"--tmpfs /t --tmpfs /u:size=1m,mode=1777", "", "\"Tmpfs\":{\"/t\":\"\",\"/u\":\"size=1m,mode=1777\"}");
	check_adds("--mount type=bind,src=/a,dst=/b,ro", "",
		"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true}]");
	check_adds("--mount type=bind,\"source=/a,b\",target=/c,readonly=false,bind-propagation=rslave", "",
		"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a,b\",\"Target\":\"/"
		"c\",\"BindOptions\":{\"Propagation\":\"rslave\"}}]");
	check_adds("--mount type=tmpfs,destination=/t,tmpfs-size=2m,tmpfs-mode=0700", "",
		"\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/"
		"t\",\"TmpfsOptions\":{\"SizeBytes\":2097152,\"Mode\":448}}]");
	check_adds("--mount target=/v,volume-nocopy", "",
		"\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/v\",\"VolumeOptions\":{\"NoCopy\":true}}]");
	check_adds("--mount target=/v,src=v,volume-subpath=a/b", "",
		"\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/"
		"v\",\"VolumeOptions\":{\"Subpath\":\"a/b\"}}]");
	check_adds("--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rprivate,bind-recursive=readonly", "",
		"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true,\"BindOptions\":{"
		"\"Propagation\":\"rprivate\",\"ReadOnlyForceRecursive\":true}}]");
	check_refused("-v a image", ERROR_INVALID, "option \"--volume\": \"a\" is no absolute path");
	check_refused("-v :/b image", ERROR_INVALID, "option \"--volume\": \":/b\" has an empty part");
	check_refused("--mount type=bind,target=/b image", ERROR_INVALID,
		"option \"--mount\": \"type=bind,target=/b\": field \"source\" is missing");
	check_refused("--mount type=npipe image", ERROR_INVALID,
		"option \"--mount\": \"type=npipe\": field \"type\": type \"npipe\" is none of bind, tmpfs and volume");
	check_refused("--mount type=bind,colour=red image", ERROR_INVALID,
		"option \"--mount\": \"type=bind,colour=red\": field \"colour\" is unknown");
	check_refused("--mount \"type=bind image", ERROR_INVALID,
		"option \"--mount\": \"\"type=bind\": a quote is not closed");
	check_refused("--mount type=bind,source=/a,target=/b,tmpfs-size=1m image", ERROR_INVALID,
		"option \"--mount\": \"type=bind,source=/a,target=/b,tmpfs-size=1m\": fields \"tmpfs-size\" and "
		"\"tmpfs-mode\" need type=tmpfs");
}

static void relative_sources(void **state)
{
	autofree char *directory = getcwd(NULL, 0), *inside = string_printf("%s/sub", (char *)*state);
	autofree char *expected = string_printf("%s/x:/b:ro", (char *)*state),
		      *here = string_printf("%s/sub:/b", (char *)*state);
	char *bind = NULL;

	assert_int_equal(mkdir(inside, 0755), 0);
	assert_int_equal(chdir(inside), 0);
	check_ok(volume_option_parse(&bind, "../x:/b:ro"));
	check_text(bind, expected);
	check_ok(volume_option_parse(&bind, ".:/b"));
	check_text(bind, here);
	check_ok(volume_option_parse(&bind, "./../../../../../../..:/b"));
	check_text(bind, "/:/b");
	assert_int_equal(chdir("/"), 0);
	check_ok(volume_option_parse(&bind, "./x:/b"));
	check_text(bind, "/x:/b");
	assert_int_equal(chdir(directory), 0);
}

static void objects(void **state)
{
	(void)state;
	check_adds("--ulimit nofile=10:20 --ulimit core=-1", "",
		"\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":10,\"Hard\":20},{\"Name\":\"core\",\"Soft\":-1,\"Hard\":-1}"
		"]");
	check_adds("--device /dev/a --device /dev/a:/dev/b --device /dev/a:rw --device /dev/a:/dev/b:m", "",
		"\"Devices\":[{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/a\",\"CgroupPermissions\":\"rwm\"},"
		"{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/b\",\"CgroupPermissions\":\"rwm\"},"
		"{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/a\",\"CgroupPermissions\":\"rw\"},"
		"{\"PathOnHost\":\"/dev/a\",\"PathInContainer\":\"/dev/b\",\"CgroupPermissions\":\"m\"}]");
	check_adds("--device-read-bps /dev/sda:1mb --blkio-weight-device /dev/sda:20", "",
		"\"BlkioWeightDevice\":[{\"Path\":\"/dev/sda\",\"Weight\":20}],\"BlkioDeviceReadBps\":[{\"Path\":\"/"
		"dev/sda\",\"Rate\":1048576}]");
	check_adds("--restart on-failure:3", "", "\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}");
	check_adds("--restart always", "", "\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":0}");
	check_adds("--log-opt max-size=1m", "", "\"LogConfig\":{\"Type\":\"\",\"Config\":{\"max-size\":\"1m\"}}");
	check_adds("--sysctl a.b=1 --annotation x=y", "", "\"Sysctls\":{\"a.b\":\"1\"},\"Annotations\":{\"x\":\"y\"}");
	check_adds("--add-host a:1.2.3.4 --add-host b=::1 --add-host c=[::2]", "",
		"\"ExtraHosts\":[\"a:1.2.3.4\",\"b:::1\",\"c:::2\"]");
	check_adds(
		"--expose 80 --expose 90-91/udp", "\"ExposedPorts\":{\"80/tcp\":{},\"90/udp\":{},\"91/udp\":{}}", "");
	check_adds("--security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt "
		   "systempaths=unconfined",
		"",
		"\"SecurityOpt\":[\"no-new-privileges\",\"seccomp=unconfined\"],\"MaskedPaths\":[],\"ReadonlyPaths\":["
		"]");
}

static void health(void **state)
{
	(void)state;
	check_adds("--health-cmd true --health-interval 1m30s --health-retries 2",
		"\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":90000000000,\"Timeout\":0,"
		"\"StartPeriod\":0,\"StartInterval\":0,\"Retries\":2}",
		"");
	check_adds("--no-healthcheck",
		"\"Healthcheck\":{\"Test\":[\"NONE\"],\"Interval\":0,\"Timeout\":0,\"StartPeriod\":0,\"StartInterval\":"
		"0,\"Retries\":0}",
		"");
	check_refused("--no-healthcheck --health-cmd x image", ERROR_INVALID,
		"option \"--no-healthcheck\" excludes the options \"--health-...\"");
}

static void ports(void **state)
{
	(void)state;
	check_adds("-p 8080:80 -p 80", "\"ExposedPorts\":{\"80/tcp\":{}}",
		"\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"},{\"HostIp\":\"\",\"HostPort\":"
		"\"\"}]}");
	check_adds("--publish [::1]:53-54:53-54/udp --expose 9 -P",
		"\"ExposedPorts\":{\"9/tcp\":{},\"53/udp\":{},\"54/udp\":{}}",
		"\"PublishAllPorts\":true,\"PortBindings\":{\"53/udp\":[{\"HostIp\":\"::1\",\"HostPort\":\"53\"}],"
		"\"54/udp\":[{\"HostIp\":\"::1\",\"HostPort\":\"54\"}]}");
	check_adds("-p 8000-8010:80", "\"ExposedPorts\":{\"80/tcp\":{}}",
		"\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8000-8010\"}]}");
	check_refused("-p 80000:80 image", ERROR_INVALID,
		"option \"--publish\": \"80000:80\": 80000 is not between 0 and 65535");
	check_refused("--expose 80/tcpx image", ERROR_INVALID,
		"option \"--expose\": \"80/tcpx\": \"tcpx\" is none of tcp, udp and sctp");
}

#define ENDPOINTS(json) "\"NetworkingConfig\":{\"EndpointsConfig\":{" json "}}"

static void networks(void **state)
{
	(void)state;
	check_adds("--network web", "", "\"NetworkMode\":\"web\"");
	check_adds("--network default", "", "");
	check_adds(
		"--network name=web,alias=a,alias=b,ip=192.0.2.7,ip6=2001:db8::7,mac-address=02:42:0:0:0:7,link-local-"
		"ip=169.254.0.7,driver-opt=k=v,gw-priority=-2",
		ENDPOINTS("\"web\":{\"IPAMConfig\":{\"IPv4Address\":\"192.0.2.7\",\"IPv6Address\":\"2001:db8::7\","
			  "\"LinkLocalIPs\":[\"169.254.0.7\"]},\"Aliases\":[\"a\",\"b\"],\"MacAddress\":"
			  "\"02:42:0:0:0:7\",\"DriverOpts\":{\"k\":\"v\"},\"GwPriority\":-2}"),
		"\"NetworkMode\":\"web\"");
	check_adds("--net web --net data", ENDPOINTS("\"web\":{},\"data\":{}"), "\"NetworkMode\":\"web\"");
	check_adds("--network web --network-alias a --link c:d --ip 192.0.2.7",
		ENDPOINTS("\"web\":{\"IPAMConfig\":{\"IPv4Address\":\"192.0.2.7\"},\"Links\":[\"c:d\"],\"Aliases\":"
			  "[\"a\"]}"),
		"\"NetworkMode\":\"web\",\"Links\":[\"c:d\"]");
	check_adds("--link c:d", "", "\"Links\":[\"c:d\"]");
	check_adds("--mac-address 02:42:0:0:0:7",
		"\"MacAddress\":\"02:42:0:0:0:7\"," ENDPOINTS("\"default\":{\"MacAddress\":\"02:42:0:0:0:7\"}"), "");
}

static void refused_networks(void **state)
{
	(void)state;
	check_refused("--network name=a,ip image", ERROR_INVALID,
		"option \"--network\": \"name=a,ip\": \"ip\" is not of the form NAME=VALUE");
	check_refused("--network alias=a image", ERROR_INVALID,
		"option \"--network\": \"alias=a\": field \"name\" is missing");
	check_refused("--network name=a,colour=red image", ERROR_INVALID,
		"option \"--network\": \"name=a,colour=red\": field \"colour\" is unknown");
	check_refused("--network name=a,driver-opt=x image", ERROR_INVALID,
		"option \"--network\": \"name=a,driver-opt=x\": field \"driver-opt\": \"x\" is not of the form "
		"NAME=VALUE");
	check_refused("--network name=a,gw-priority=x image", ERROR_INVALID,
		"option \"--network\": \"name=a,gw-priority=x\": field \"gw-priority\": \"x\" is not a whole number");
	check_refused("--network a --network a image", ERROR_INVALID, "option \"--network\": \"a\" is there twice");
	check_refused("--network host --network a image", ERROR_INVALID,
		"option \"--network\": \"a\" does not go with \"host\": one of them is no user's own network");
	check_refused("--network name=a,ip=192.0.2.7 --ip 192.0.2.8 image", ERROR_INVALID,
		"options \"--ip\" and \"--network\" with \"ip=\" exclude each other");
}

static void refused(void **state)
{
	(void)state;
	check_refused("--detach image", ERROR_INVALID, "unknown option \"--detach\"");
	check_refused("--ulimit nofile image", ERROR_INVALID,
		"option \"--ulimit\": \"nofile\" is not of the form NAME=SOFT[:HARD]");
	check_refused("--ulimit nofile=2:1 image", ERROR_INVALID,
		"option \"--ulimit\": \"nofile=2:1\": the soft limit is higher than the hard one");
	check_refused("--device :/x image", ERROR_INVALID,
		"option \"--device\": \":/x\" is not of the form PATH[:TARGET[:rwm]]");
	check_refused(
		"--add-host a image", ERROR_INVALID, "option \"--add-host\": \"a\" is not of the form NAME:ADDRESS");
	check_refused("--sysctl a image", ERROR_INVALID, "option \"--sysctl\": \"a\" is not of the form NAME=VALUE");
	check_refused("--device-read-bps sda:1 image", ERROR_INVALID,
		"option \"--device-read-bps\": \"sda:1\" is not of the form PATH:NUMBER");
	check_refused("-a x image", ERROR_INVALID, "option \"--attach\": \"x\" is none of stdin, stdout and stderr");
}

#define REQUESTS(members) "\"DeviceRequests\":[" members "]"

static void device_requests(void **state)
{
	(void)state;
	check_adds("--gpus all", "",
		REQUESTS("{\"Driver\":\"\",\"Count\":-1,\"Capabilities\":[[\"gpu\"]],\"Options\":{}}"));
	check_adds(
		"--gpus 2", "", REQUESTS("{\"Driver\":\"\",\"Count\":2,\"Capabilities\":[[\"gpu\"]],\"Options\":{}}"));
	check_adds("--gpus \"device=0,GPU-1\",driver=nvidia", "",
		REQUESTS("{\"Driver\":\"nvidia\",\"Count\":0,\"DeviceIDs\":[\"0\",\"GPU-1\"],\"Capabilities\":"
			 "[[\"gpu\"]],\"Options\":{}}"));
	check_adds("--gpus \"capabilities=compute,utility\"", "",
		REQUESTS("{\"Driver\":\"\",\"Count\":1,\"Capabilities\":[[\"compute\",\"utility\",\"gpu\"]],"
			 "\"Options\":{}}"));
	check_adds("--device vendor.com/class=name --device /dev/null --device a.b/c=d:1", "",
		"\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/null\",\"CgroupPermissions\":"
		"\"rwm\"}]," REQUESTS("{\"Driver\":\"cdi\",\"Count\":0,\"DeviceIDs\":[\"vendor.com/class=name\","
				      "\"a.b/c=d:1\"],\"Options\":{}}"));
	check_refused(
		"--gpus many image", ERROR_INVALID, "option \"--gpus\": \"many\": \"many\" is not a whole number");
	check_refused("--gpus all,x image", ERROR_INVALID,
		"option \"--gpus\": \"all,x\": \"x\" is not of the form NAME=VALUE");
	check_refused("--gpus colour=red image", ERROR_INVALID,
		"option \"--gpus\": \"colour=red\": field \"colour\" is unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(command_words),
		cmocka_unit_test(variables),
		cmocka_unit_test(mounts),
		directory_test(relative_sources),
		cmocka_unit_test(objects),
		cmocka_unit_test(health),
		cmocka_unit_test(ports),
		cmocka_unit_test(networks),
		cmocka_unit_test(refused_networks),
		cmocka_unit_test(refused),
		cmocka_unit_test(device_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
