// SPDX-License-Identifier: Apache-2.0
/* The client against a real kedge-dns, and against one of another version. As root: kedge-dns enters its jail. */
#include "dns/client.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "asked.h"
#include "base/clock.h"
#include "dns/protocol.h"

#define CONTAINER "c0ffee"

enum { MANY_LINKS = 2000 };

typedef struct Engine {
	Loop *loop;
	Dns *dns;
	const char *directory;
	int ready;             /* how often it was asked for everything */
	bool had_sockets;      /* when it was asked */
	bool is_named;         /* whether there is a container */
	struct sockaddr_in at; /* of its UDP socket */
} Engine;

static int listening(int type)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + 10)}};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int udp_socket(Engine *engine)
{
	socklen_t length = sizeof(engine->at);
	int fd = listening(SOCK_DGRAM);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&engine->at, &length), 0);
	return fd;
}

static void tell(Engine *engine)
{
	char *items[] = {(char *)"web"};
	const StringList names = {items, 1};
	const DnsNetwork network = {"id", "net"};
	const DnsView view = {.networks = &network, .network_count = 1};

	dns_names_set(engine->dns,
		&(DnsNames){.network_id = "id", .container_id = CONTAINER, .names = &names, .ipv4 = "10.0.0.1"});
	if (dns_has_sockets(engine->dns, CONTAINER))
		dns_view_set(engine->dns, CONTAINER, &view, -1, -1);
	else
		dns_view_set(engine->dns, CONTAINER, &view, udp_socket(engine), listening(SOCK_STREAM));
}

static void on_ready(void *arg)
{
	Engine *engine = arg;

	engine->ready++;
	engine->had_sockets = dns_has_sockets(engine->dns, CONTAINER);
	if (engine->is_named)
		tell(engine);
}

static void open_with(Engine *engine, const char *program)
{
	static const DnsHandlers handlers = {.ready = on_ready};

	check_ok(dns_open(&engine->dns, engine->loop, engine->directory, program, &handlers, engine));
}

static void run_until_ready(Engine *engine, int count)
{
	int64_t end = clock_monotonic_ns() + 30 * NANOS_PER_SECOND;

	while (engine->ready < count) {
		assert_true(clock_monotonic_ns() < end);
		check_ok(loop_run_once(engine->loop));
	}
	assert_true(dns_is_ready(engine->dns));
}

typedef struct Asking {
	int fd;
	Buffer question;
	Source *again;
	int records; /* -1: nobody has answered yet */
} Asking;

static void on_answer(void *arg, int fd, unsigned events)
{
	Asking *asking = arg;
	uint8_t answer[512];

	(void)events;
	asking->records = recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 12 ? answer[7] : 0;
}

/* A question that was in a socket when that was closed is lost without a word. */
static void ask_again(void *arg)
{
	Asking *asking = arg;

	send(asking->fd, asking->question.data, asking->question.length, 0);
	source_rearm(asking->again, NANOS_PER_SECOND / 10);
}

/* Whether it has an address for the name, or the news that it has none. */
static bool finds_address(const Engine *engine)
{
	Asking asking = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .records = -1};
	int64_t end = clock_monotonic_ns() + 30 * NANOS_PER_SECOND;
	Source *source = NULL;

	question_bytes(&asking.question, "web", TYPE_A, 0x0100, 1);
	assert_int_equal(connect(asking.fd, (const struct sockaddr *)&engine->at, sizeof(engine->at)), 0);
	check_ok(loop_watch(&source, engine->loop, asking.fd, LOOP_READ, on_answer, &asking));
	check_ok(loop_timer(&asking.again, engine->loop, 0, ask_again, &asking));
	while (asking.records < 0) {
		assert_true(clock_monotonic_ns() < end);
		check_ok(loop_run_once(engine->loop));
	}
	source_free(source);
	source_free(asking.again);
	buffer_clear(&asking.question);
	close_fd(&asking.fd);
	return asking.records == 1;
}

/* What it was told may come to it after a question. */
static void wait_for_answer(const Engine *engine, bool has_address)
{
	int64_t end = clock_monotonic_ns() + 30 * NANOS_PER_SECOND;

	while (finds_address(engine) != has_address)
		assert_true(clock_monotonic_ns() < end);
}

/* The one whose command names our directory; connecting to it would take the place of our own connection. */
static pid_t pid_of_program(const Engine *engine)
{
	autofree char *pattern = string_printf("%s/dns/", engine->directory);
	DIR *processes = opendir("/proc");
	pid_t found = 0;

	assert_non_null(processes);
	for (struct dirent *entry; !found && (entry = readdir(processes));) {
		char path[300], command[1024];
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		autofd fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t length = fd < 0 ? -1 : read(fd, command, sizeof(command));
		if (length > 0 && memmem(command, (size_t)length, pattern, strlen(pattern)))
			found = (pid_t)atoi(entry->d_name);
	}
	closedir(processes);
	assert_int_not_equal(found, 0);
	return found;
}

static int set_up(void **state)
{
	Engine *engine = calloc(1, sizeof(*engine));
	void *directory;

	if (geteuid() != 0 || setup_directory(&directory) < 0)
		return -1;
	engine->directory = directory;
	check_ok(loop_new(&engine->loop));
	*state = engine;
	return 0;
}

/* By its own means: no kedged, no containers. */
static void retire(const Engine *engine)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	autoclear(Buffer) packet = {0};
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char rest[64];

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dns/dns.sock", engine->directory);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		assert_int_equal(errno, ECONNREFUSED); /* nobody needs it any more: it has ended */
		return;
	}
	packet_init(&packet, "retire");
	packet_send(fd, &packet, NULL);
	while (recv(fd, rest, sizeof(rest), 0) > 0)
		continue;
}

static int tear_down(void **state)
{
	Engine *engine = *state;
	void *directory = (void *)engine->directory;

	engine->dns = dns_close(engine->dns);
	loop_free(engine->loop);
	free(engine);
	return teardown_directory(&directory);
}

static void test_it_is_started_when_it_is_needed_and_found_again(void **state)
{
	Engine *engine = *state;

	open_with(engine, KEDGE_DNS);
	assert_false(dns_is_ready(engine->dns));
	tell(engine); /* nobody hears it */
	engine->is_named = true;
	dns_need(engine->dns);
	dns_need(engine->dns);
	run_until_ready(engine, 1);
	assert_false(engine->had_sockets);
	wait_for_answer(engine, true);

	engine->dns = dns_close(engine->dns);
	wait_for_answer(engine, true);
	open_with(engine, "/nonexistent"); /* nobody is started */
	run_until_ready(engine, 2);
	assert_true(engine->had_sockets);
	wait_for_answer(engine, true);
	dns_view_remove(engine->dns, CONTAINER);
	assert_false(dns_has_sockets(engine->dns, CONTAINER));
	dns_names_remove(engine->dns, "id", CONTAINER);
	wait_for_answer(engine, false);
	engine->dns = dns_close(engine->dns);
	retire(engine);
}

static void test_it_is_started_again_when_it_was_killed(void **state)
{
	Engine *engine = *state;

	open_with(engine, KEDGE_DNS);
	engine->is_named = true;
	dns_need(engine->dns);
	run_until_ready(engine, 1);
	kill(pid_of_program(engine), SIGKILL);
	run_until_ready(engine, 2);
	wait_for_answer(engine, true);
	engine->dns = dns_close(engine->dns);
	retire(engine);
}

/* One that an earlier version of kedged has left: it is told to end, and another is started. */
static void test_one_of_another_version_is_replaced(void **state)
{
	Engine *engine = *state;
	autofree char *directory = path_join(engine->directory, "dns");
	autofree char *path = path_join(directory, "dns.sock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	autofd listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	autoclear(Buffer) hello = {0}, ready = {0};
	char said[16] = "";

	check_ok(dir_make(AT_FDCWD, directory, 0700));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	open_with(engine, KEDGE_DNS);
	autofd old = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	packet_init(&hello, "hello");
	packet_add(&hello, "kedge-dns 0 0.0.1");
	assert_int_equal(packet_send(old, &hello, NULL), PACKET_DONE);
	packet_init(&ready, "ready");
	assert_int_equal(packet_send(old, &ready, NULL), PACKET_DONE);
	check_ok(loop_run_once(engine->loop));
	assert_true(recv(old, said, sizeof(said), 0) > 0);
	assert_string_equal(said, "retire");
	assert_int_equal(engine->ready, 0);
	close_fd(&listener);
	close_fd(&old);
	engine->is_named = true;
	dns_need(engine->dns);
	run_until_ready(engine, 1);
	wait_for_answer(engine, true);
	engine->dns = dns_close(engine->dns);
	retire(engine);
}

/* As many containers as a kedge-dns that does not read has no room for: all of them wait, none is lost. */
static void test_nothing_blocks_and_nothing_is_lost(void **state)
{
	Engine *engine = *state;
	char *items[] = {(char *)"other"};
	const StringList names = {items, 1};

	open_with(engine, KEDGE_DNS);
	engine->is_named = true;
	dns_need(engine->dns);
	run_until_ready(engine, 1);
	pid_t pid = pid_of_program(engine);
	kill(pid, SIGSTOP);
	for (int i = 0; i < 5000; i++) {
		autofree char *id = string_printf("other%d", i);
		dns_names_set(engine->dns,
			&(DnsNames){.network_id = "id", .container_id = id, .names = &names, .ipv4 = "10.0.0.2"});
		dns_names_remove(engine->dns, "id", id);
	}
	char *last[] = {(char *)"web"};
	const StringList web = {last, 1};
	dns_names_remove(engine->dns, "id", CONTAINER);
	dns_names_set(engine->dns,
		&(DnsNames){.network_id = "id", .container_id = "last", .names = &web, .ipv4 = "10.0.0.3"});
	dns_view_set(engine->dns, CONTAINER, &(DnsView){.networks = &(DnsNetwork){"id", "net"}, .network_count = 1},
		udp_socket(engine), listening(SOCK_STREAM));
	kill(pid, SIGCONT);
	wait_for_answer(engine, true);
	engine->dns = dns_close(engine->dns);
	retire(engine);
}

/* "web" is a link, the last of more than one packet has room for. */
static void test_a_view_may_take_many_packets(void **state)
{
	Engine *engine = *state;
	char *items[] = {(char *)"other"};
	const StringList names = {items, 1};
	DnsLink links[MANY_LINKS];

	for (size_t i = 0; i < MANY_LINKS; i++)
		links[i] = (DnsLink){"a-name-of-a-link-that-leads-to-nobody", "a-container-that-nobody-knows", NULL};
	links[MANY_LINKS - 1] = (DnsLink){"web", CONTAINER, NULL};
	open_with(engine, KEDGE_DNS);
	dns_need(engine->dns);
	run_until_ready(engine, 1);
	dns_names_set(engine->dns,
		&(DnsNames){.network_id = "id", .container_id = CONTAINER, .names = &names, .ipv4 = "10.0.0.1"});
	dns_view_set(engine->dns, CONTAINER,
		&(DnsView){.networks = &(DnsNetwork){"id", "net"},
			.network_count = 1,
			.links = links,
			.link_count = MANY_LINKS},
		udp_socket(engine), listening(SOCK_STREAM));
	wait_for_answer(engine, true);
	engine->dns = dns_close(engine->dns);
	retire(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_it_is_started_when_it_is_needed_and_found_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_is_started_again_when_it_was_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_of_another_version_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_blocks_and_nothing_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_view_may_take_many_packets, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
