// SPDX-License-Identifier: Apache-2.0
/* Plays kedged's part for the tests of the firewall, in the network namespace in which it is started: an order is a
 * line on standard input, its answer a line on standard output, "ok ..." or "error ...". What happens by itself is told
 * in lines that begin with "event". */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/memory.h"
#include "base/strings.h"
#include "network/conntrack.h"
#include "network/inner.h"
#include "network/opener.h"
#include "network/table.h"
#include "network/watch.h"

typedef struct Driver {
	Loop *loop;
	Source *input;
	Buffer line;
	Firewall *firewall;
	FirewallState state; /* what should be there */
	FirewallLoad *load;
	RulesetWatch *watch;
	Conntrack *conntrack;
	ForeignOpener *opener;
} Driver;

typedef struct Order {
	const char *name;
	Error *(*run)(Driver *driver, const StringList *words, Buffer *answer);
} Order;

static const char *const outcome_names[] = {[FIREWALL_DONE] = "done",
	[FIREWALL_TAKEN] = "taken",
	[FIREWALL_ABSENT] = "absent",
	[FIREWALL_FLUSHED] = "flushed"};

static void say(const char *beginning, const char *rest)
{
	printf("%s%s%s\n", beginning, *rest ? " " : "", rest);
	fflush(stdout);
}

static void say_error(Error *take_error)
{
	autofree char *text = error_text(take_error);

	say("error", text);
	error_free(take_error);
}

/* ---- words ---- */

/* NAME=VALUE among the words, or NULL. */
static const char *word_of(const StringList *words, const char *name)
{
	return strings_env(words, name);
}

static fallible address_of(Address *ret, const StringList *words, const char *name)
{
	const char *text = word_of(words, name);

	return text ? address_parse(ret, text) : NULL;
}

static fallible number_of(int64_t *ret, const StringList *words, const char *name)
{
	const char *text = word_of(words, name);

	return text ? string_to_int64(ret, text, 0, INT64_MAX) : NULL;
}

static int protocol_of(const StringList *words)
{
	return strings_has(words, "udp") ? IPPROTO_UDP : strings_has(words, "sctp") ? IPPROTO_SCTP : IPPROTO_TCP;
}

/* tcp|udp|sctp port=N to=ADDRESS to-port=N [host=ADDRESS] [routed] [relayed] */
static fallible publish_of(PublishElement *ret, const StringList *words)
{
	int64_t port = 0, to_port = 0;

	*ret = (PublishElement){.protocol = protocol_of(words),
		.is_routed = strings_has(words, "routed"),
		.is_relayed = strings_has(words, "relayed")};
	TRY(address_of(&ret->host, words, "host"));
	TRY(address_of(&ret->to, words, "to"));
	TRY(number_of(&port, words, "port"));
	TRY(number_of(&to_port, words, "to-port"));
	ret->family = ret->to.family;
	ret->host_port = (uint16_t)port;
	ret->to_port = (uint16_t)to_port;
	return NULL;
}

static GatewayMode mode_of(const StringList *words)
{
	return strings_has(words, "routed")        ? GATEWAY_ROUTED
	       : strings_has(words, "unprotected") ? GATEWAY_UNPROTECTED
						   : GATEWAY_NAT;
}

static fallible add_subnet(NetworkElement *network, const char *text)
{
	return subnet_parse(&network->subnets[network->subnet_count++], text);
}

/* bridge=NAME [subnet=SUBNET] [subnet6=SUBNET] [source=ADDRESS] [internal] [no-icc] [no-masquerade]
 * [routed|unprotected]
 */
static fallible network_of(NetworkElement *ret, const StringList *words)
{
	*ret = (NetworkElement){.is_internal = strings_has(words, "internal"),
		.has_icc = !strings_has(words, "no-icc"),
		.masquerades = !strings_has(words, "no-masquerade"),
		.mode4 = mode_of(words),
		.mode6 = mode_of(words)};
	snprintf(ret->bridge, sizeof ret->bridge, "%s", word_of(words, "bridge"));
	TRY(address_of(&ret->source4, words, "source"));
	if (word_of(words, "subnet"))
		TRY(add_subnet(ret, word_of(words, "subnet")));
	return word_of(words, "subnet6") ? add_subnet(ret, word_of(words, "subnet6")) : NULL;
}

/* ---- elements ---- */

static fallible send_batch(FirewallBatch *batch, Buffer *answer, bool *ret_is_done)
{
	FirewallOutcome outcome;
	int64_t took_ns = 0;

	TRY(firewall_batch_send(batch, &outcome, &took_ns));
	buffer_printf(answer, "%s %lld", outcome_names[outcome], (long long)took_ns);
	*ret_is_done = outcome == FIREWALL_DONE;
	return NULL;
}

static fallible run_network(Driver *driver, const StringList *words, Buffer *answer)
{
	autoptr(FirewallBatch) batch = firewall_batch_new(driver->firewall);
	NetworkElement network;
	bool is_done;

	TRY(network_of(&network, words));
	firewall_add_network(batch, &network);
	TRY(send_batch(batch, answer, &is_done));
	if (is_done)
		firewall_state_add_network(&driver->state, &network);
	return NULL;
}

static fallible run_network_remove(Driver *driver, const StringList *words, Buffer *answer)
{
	autoptr(FirewallBatch) batch = firewall_batch_new(driver->firewall);
	NetworkElement network;
	bool is_done;

	TRY(network_of(&network, words));
	firewall_remove_network(batch, &network);
	return send_batch(batch, answer, &is_done);
}

/* count=N: as many ports from port= on, each to the same place, in one batch. */
static fallible add_publishes(
	FirewallBatch *batch, FirewallState *state, const PublishElement *first, const StringList *words)
{
	PublishElement publish = *first;
	int64_t count = 1;

	TRY(number_of(&count, words, "count"));
	for (int64_t i = 0; i < count; i++, publish.host_port++) {
		firewall_add_publish(batch, &publish);
		firewall_state_add_publish(state, &publish);
	}
	return NULL;
}

static fallible run_publish(Driver *driver, const StringList *words, Buffer *answer)
{
	autoptr(FirewallBatch) batch = firewall_batch_new(driver->firewall);
	PublishElement publish;
	size_t before = driver->state.publish_count;
	bool is_done = false;

	TRY(publish_of(&publish, words));
	TRY(add_publishes(batch, &driver->state, &publish, words));
	TRY(send_batch(batch, answer, &is_done));
	if (!is_done)
		driver->state.publish_count = before;
	return NULL;
}

static void forget_publish(FirewallState *state, const PublishElement *publish)
{
	for (size_t i = 0; i < state->publish_count; i++)
		if (memcmp(&state->publishes[i], publish, sizeof *publish) == 0)
			state->publishes[i--] = state->publishes[--state->publish_count];
}

static fallible run_unpublish(Driver *driver, const StringList *words, Buffer *answer)
{
	autoptr(FirewallBatch) batch = firewall_batch_new(driver->firewall);
	PublishElement publish;
	bool is_done;

	TRY(publish_of(&publish, words));
	firewall_remove_publish(batch, &publish);
	TRY(send_batch(batch, answer, &is_done));
	forget_publish(&driver->state, &publish);
	return NULL;
}

static fallible run_sync(Driver *driver, const StringList *words, Buffer *answer)
{
	FirewallOutcome outcome;
	size_t changes = 0;

	(void)words;
	TRY(firewall_sync(driver->firewall, &driver->state, &outcome, &changes));
	buffer_printf(answer, "%s %zu", outcome_names[outcome], changes);
	return NULL;
}

/* ---- the table ---- */

static void on_loaded(void *arg, Error *take_error)
{
	Driver *driver = arg;

	if (take_error)
		say_error(take_error);
	else
		say("event", "loaded");
	driver->load = firewall_load_free(driver->load);
}

static fallible run_load(Driver *driver, const StringList *words, Buffer *answer)
{
	(void)words;
	(void)answer;
	driver->load = firewall_load_free(driver->load);
	return firewall_load(
		&driver->load, driver->loop, firewall_table(driver->firewall), &driver->state, on_loaded, driver);
}

static fallible run_text(Driver *driver, const StringList *words, Buffer *answer)
{
	autofree char *text = firewall_text(firewall_table(driver->firewall), &driver->state);

	(void)words;
	for (const char *at = text; *at; at++)
		buffer_add_char(answer, *at == '\n' ? '\r' : *at);
	return NULL;
}

static fallible run_look(Driver *driver, const StringList *words, Buffer *answer)
{
	static const char *const names[] = {
		[FIREWALL_WHOLE] = "whole", [FIREWALL_MISSING] = "missing", [FIREWALL_DIFFERS] = "differs"};
	FirewallCondition condition;

	(void)words;
	TRY(firewall_look(driver->firewall, &condition));
	buffer_add_text(answer, names[condition]);
	return NULL;
}

static fallible run_remove(Driver *driver, const StringList *words, Buffer *answer)
{
	(void)words;
	(void)answer;
	return firewall_remove(driver->firewall);
}

static void on_damaged(void *arg)
{
	(void)arg;
	say("event", "damaged");
}

static void look_at_others(Driver *driver)
{
	autoclear(StringList) bridges = {0};

	for (size_t i = 0; i < driver->state.network_count; i++)
		strings_add(&bridges, driver->state.networks[i].bridge);
	foreign_opener_look(driver->opener, &driver->state, &bridges);
}

static void on_others_changed(void *arg)
{
	Driver *driver = arg;

	say("event", "others");
	if (driver->opener)
		look_at_others(driver);
}

static fallible run_watch(Driver *driver, const StringList *words, Buffer *answer)
{
	static const RulesetHandlers handlers = {on_damaged, on_others_changed};

	(void)words;
	(void)answer;
	return ruleset_watch_open(&driver->watch, driver->loop, driver->firewall, &handlers, driver);
}

/* ---- flows and names ---- */

static fallible run_forget_port(Driver *driver, const StringList *words, Buffer *answer)
{
	PublishElement publish;

	(void)answer;
	TRY(publish_of(&publish, words));
	conntrack_forget_port(driver->conntrack, publish.protocol, &publish.host, publish.host_port, &publish.to);
	return NULL;
}

static fallible run_forget_address(Driver *driver, const StringList *words, Buffer *answer)
{
	Address address = {0};

	(void)answer;
	TRY(address_of(&address, words, "to"));
	conntrack_forget_address(driver->conntrack, &address);
	return NULL;
}

static fallible run_flush_flows(Driver *driver, const StringList *words, Buffer *answer)
{
	size_t forgotten = 0;

	(void)words;
	TRY(conntrack_flush(driver->conntrack, &forgotten));
	buffer_printf(answer, "%zu", forgotten);
	return NULL;
}

static fallible run_inner(Driver *driver, const StringList *words, Buffer *answer)
{
	int64_t udp = 0, tcp = 0, begin = clock_monotonic_ns();

	(void)driver;
	TRY(number_of(&udp, words, "udp"));
	TRY(number_of(&tcp, words, "tcp"));
	TRY(inner_table_make((uint16_t)udp, (uint16_t)tcp));
	buffer_printf(answer, "%lld", (long long)(clock_monotonic_ns() - begin));
	return NULL;
}

/* ---- the rules of others ---- */

/* One line, parts separated by '|': what is dropped, "+" and what opens the way; "=" and what we have opened. */
static void print_report(Buffer *out, const ForeignReport *report)
{
	for (size_t i = 0; i < report->count; i++) {
		autofree char *words = foreign_drop_words(&report->drops[i]);
		buffer_printf(out, "%s|", words);
		for (size_t j = 0; j < report->drops[i].lines.count; j++)
			buffer_printf(out, "+%s|", report->drops[i].lines.items[j]);
	}
	for (size_t i = 0; i < report->opened.count; i++)
		buffer_printf(out, "=%s|", report->opened.items[i]);
}

static fallible run_foreign(Driver *driver, const StringList *words, Buffer *answer)
{
	autoclear(ForeignReport) report = {0};

	(void)words;
	TRY(foreign_look(&report, driver->firewall, &driver->state));
	print_report(answer, &report);
	return NULL;
}

static void on_report(void *arg, const ForeignReport *report)
{
	autoclear(Buffer) out = {0};

	(void)arg;
	buffer_add_text(&out, "report ");
	print_report(&out, report);
	say("event", buffer_text(&out));
}

static fallible run_open(Driver *driver, const StringList *words, Buffer *answer)
{
	(void)words;
	(void)answer;
	if (!driver->opener)
		TRY(foreign_opener_new(&driver->opener, driver->loop, driver->firewall, NULL, on_report, driver));
	look_at_others(driver);
	return NULL;
}

static void on_withdrawn(void *arg)
{
	(void)arg;
	say("event", "withdrawn");
}

static fallible run_withdraw(Driver *driver, const StringList *words, Buffer *answer)
{
	(void)words;
	(void)answer;
	foreign_opener_withdraw(driver->opener, on_withdrawn, driver);
	return NULL;
}

/* ---- orders ---- */

static const Order orders[] = {
	{"load", run_load},
	{"text", run_text},
	{"look", run_look},
	{"remove", run_remove},
	{"network", run_network},
	{"network-remove", run_network_remove},
	{"publish", run_publish},
	{"unpublish", run_unpublish},
	{"sync", run_sync},
	{"watch", run_watch},
	{"forget-port", run_forget_port},
	{"forget-address", run_forget_address},
	{"flush-flows", run_flush_flows},
	{"inner", run_inner},
	{"foreign", run_foreign},
	{"open", run_open},
	{"withdraw", run_withdraw},
};

static fallible run_order(Driver *driver, const StringList *words, Buffer *answer)
{
	for (size_t i = 0; i < COUNT(orders); i++)
		if (strcmp(orders[i].name, words->items[0]) == 0)
			return orders[i].run(driver, words, answer);
	return error_new(ERROR_INVALID, "there is no order \"%s\"", words->items[0]);
}

static void run_line(Driver *driver, const char *line)
{
	autoclear(StringList) words = {0};
	autoclear(Buffer) answer = {0};

	strings_split(&words, line, ' ');
	if (words.count == 0)
		return;
	Error *error = run_order(driver, &words, &answer);
	if (error)
		say_error(error);
	else
		say("ok", buffer_text(&answer));
}

static void on_input(void *arg, int fd, unsigned events)
{
	Driver *driver = arg;
	char bytes[4096];
	ssize_t got = read(fd, bytes, sizeof bytes);

	(void)events;
	if (got <= 0) {
		loop_stop(driver->loop);
		return;
	}
	buffer_add(&driver->line, bytes, (size_t)got);
	for (char *end; (end = memchr(buffer_text(&driver->line), '\n', driver->line.length));) {
		*end = '\0';
		run_line(driver, driver->line.data);
		buffer_consume(&driver->line, (size_t)(end + 1 - driver->line.data));
	}
}

static fallible run(Driver *driver, const char *table)
{
	TRY(loop_new(&driver->loop));
	TRY(firewall_open(&driver->firewall, table));
	TRY(conntrack_open(&driver->conntrack, driver->loop));
	TRY(loop_watch(&driver->input, driver->loop, STDIN_FILENO, LOOP_READ, on_input, driver));
	say("ok", "");
	return loop_run(driver->loop);
}

int main(int argc, char **argv)
{
	Driver driver = {0};
	Error *error = run(&driver, argc > 1 ? argv[1] : "kedge");

	if (error)
		say_error(error);
	foreign_opener_free(driver.opener);
	conntrack_close(driver.conntrack);
	ruleset_watch_close(driver.watch);
	firewall_load_free(driver.load);
	firewall_close(driver.firewall);
	firewall_state_clear(&driver.state);
	buffer_clear(&driver.line);
	source_free(driver.input);
	loop_free(driver.loop);
	return 0;
}
