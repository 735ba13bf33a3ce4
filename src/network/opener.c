// SPDX-License-Identifier: Apache-2.0
#include "network/opener.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "network/firewall_internal.h"
#include "network/tool.h"

#define PAUSE (20 * NANOS_PER_MILLI)

enum { RECORD_MAX = 64 * 1024 };

static const char zone[] = "trusted";

/* The two programs of iptables, each with a table of its own. */
enum { IP4, IP6, PROGRAMS };
static const int program_families[PROGRAMS] = {[IP4] = NFPROTO_IPV4, [IP6] = NFPROTO_IPV6};
static const char *const program_names[PROGRAMS] = {[IP4] = "iptables-restore", [IP6] = "ip6tables-restore"};

enum { JOBS_MAX = PROGRAMS + 2 };

typedef struct Job {
	StringList argv;
	char *input;
	StringList unzoned; /* bridges that are in the zone until it has succeeded */
} Job;

struct ForeignOpener {
	Loop *loop;
	const Firewall *ours;
	char *chain; /* ours */
	ForeignHandler *handler;
	void *arg;
	FirewallState networks; /* subnets and bridges; no ports */
	StringList bridges;     /* with those of networks that are not up */
	Source *timer;
	Tool *tool;
	Job jobs[JOBS_MAX];
	size_t job_count, job_next;
	bool is_again;           /* the look after our jobs: it starts none */
	bool is_asked;           /* somebody wants a look while jobs run */
	char *applied[PROGRAMS]; /* the rules of our chain, when we last wrote it */
	StringList zoned;        /* bridges that we have put into the zone */
	char *record;            /* a file with these; may be NULL */
	char *zone_tried;        /* bridges, and what firewalld had then: it did not help */
	char *unzone_tried;      /* the same of a removal */
	ForeignReport report;
	char *report_text;
	LoopHandler *done; /* we withdraw */
	void *done_arg;
};

/* ---- the record of bridges in firewalld's zone ---- */

static void read_record(ForeignOpener *opener)
{
	autofree char *text = NULL;
	Error *error;

	if (!opener->record || !file_exists(AT_FDCWD, opener->record))
		return;
	error = file_read(&text, NULL, AT_FDCWD, opener->record, RECORD_MAX);
	if (error)
		error_log(error, "bridges that are in firewalld's zone by an earlier kedged may stay there");
	else
		strings_split(&opener->zoned, text, '\n');
}

/* From before firewalld is told of a bridge until it has forgotten it: one that is named in vain is removed in vain. */
static void write_record(const ForeignOpener *opener)
{
	autofree char *text = strings_join(&opener->zoned, "\n");
	Error *error;

	if (!opener->record)
		return;
	error = file_replace(AT_FDCWD, opener->record, text, strlen(text), 0600);
	if (error)
		error_log(error, "could not note which bridges are in firewalld's zone");
}

static void forget_zoned(ForeignOpener *opener, const StringList *bridges)
{
	if (!bridges->count)
		return;
	for (size_t i = 0; i < opener->zoned.count; i++)
		if (strings_has(bridges, opener->zoned.items[i]))
			strings_remove(&opener->zoned, i--);
	write_record(opener);
}

/* ---- jobs ---- */

static Job *add_job(ForeignOpener *opener)
{
	return &opener->jobs[opener->job_count++];
}

static void clear_jobs(ForeignOpener *opener)
{
	for (size_t i = 0; i < opener->job_count; i++) {
		strings_clear(&opener->jobs[i].argv);
		strings_clear(&opener->jobs[i].unzoned);
		free(opener->jobs[i].input);
		opener->jobs[i] = (Job){0};
	}
	opener->job_count = opener->job_next = 0;
}

static void run_next_job(void *arg);

static void on_job_done(void *arg, Error *take_error, const char *output)
{
	ForeignOpener *opener = arg;

	(void)output;
	if (take_error)
		error_log(take_error, "could not change the rules of others");
	else
		forget_zoned(opener, &opener->jobs[opener->job_next - 1].unzoned);
	opener->tool = tool_free(opener->tool);
	run_next_job(opener);
}

static void after_jobs(ForeignOpener *opener)
{
	LoopHandler *done = opener->done;

	clear_jobs(opener);
	opener->is_again = true;
	source_rearm(opener->timer, opener->done ? -1 : 0);
	opener->done = NULL;
	if (done)
		done(opener->done_arg);
}

static void run_next_job(void *arg)
{
	ForeignOpener *opener = arg;

	while (!opener->tool && opener->job_next < opener->job_count) {
		const Job *job = &opener->jobs[opener->job_next++];
		Error *error = tool_start(&opener->tool, opener->loop, (const char *const *)job->argv.items, job->input,
			on_job_done, opener);
		if (error)
			error_log(error, "could not change the rules of others");
	}
	if (!opener->tool)
		after_jobs(opener);
}

/* ---- bridges of others, which what leaves ours is not to reach by our own doing ---- */

static bool is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static bool is_bridge_of_engine(const char *name)
{
	static const char *const beginnings[] = {
		"docker", "podman", "cni-podman", "virbr", "lxcbr", "lxdbr", "nerdctl"};

	for (size_t i = 0; i < COUNT(beginnings); i++)
		if (string_starts(name, beginnings[i]))
			return true;
	return string_starts(name, "br-") && is_hex(name + 3, 12);
}

static bool is_our_bridge(const ForeignOpener *opener, const char *name)
{
	for (size_t i = 0; i < opener->networks.network_count; i++)
		if (strcmp(opener->networks.networks[i].bridge, name) == 0)
			return true;
	return false;
}

static void list_bridges_of_others(const ForeignOpener *opener, StringList *ret)
{
	struct if_nameindex *links = if_nameindex();

	for (const struct if_nameindex *link = links; link && link->if_index; link++)
		if (is_bridge_of_engine(link->if_name) && !is_our_bridge(opener, link->if_name))
			strings_add(ret, link->if_name);
	if (links)
		if_freenameindex(links);
	strings_sort(ret);
}

/* ---- iptables ---- */

/* The rules of our chain; whatever it lets pass, our own table still drops what is not published. */
static char *make_rules(const ForeignOpener *opener)
{
	autoclear(StringList) others = {0};
	autoclear(Buffer) out = {0};

	list_bridges_of_others(opener, &others);
	for (size_t i = 0; i < others.count; i++)
		buffer_printf(&out, "-A %s -o %s -j RETURN\n", opener->chain, others.items[i]);
	for (size_t i = 0; i < opener->networks.network_count; i++) {
		const NetworkElement *network = &opener->networks.networks[i];
		if (!network->is_internal)
			buffer_printf(&out, "-A %s -i %s -j ACCEPT\n-A %s -o %s -j ACCEPT\n", opener->chain,
				network->bridge, opener->chain, network->bridge);
	}
	return buffer_steal(&out);
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

typedef struct IptablesView {
	const RulesetChain *forward, *user, *own; /* user: DOCKER-USER; NULL: not there */
	size_t in_forward, in_user;               /* the jump to ours, from 1; 0: none */
} IptablesView;

static void view_iptables(IptablesView *ret, const ForeignOpener *opener, const Ruleset *ruleset, int program)
{
	int family = program_families[program];

	*ret = (IptablesView){.forward = ruleset_find(ruleset, family, "filter", "FORWARD"),
		.user = ruleset_find(ruleset, family, "filter", "DOCKER-USER"),
		.own = ruleset_find(ruleset, family, "filter", opener->chain)};
	if (ret->forward && ret->user && !ruleset_find_jump(ret->forward, ret->user->name))
		ret->user = NULL;
	if (ret->own && ret->forward)
		ret->in_forward = ruleset_find_jump(ret->forward, opener->chain);
	if (ret->own && ret->user)
		ret->in_user = ruleset_find_jump(ret->user, opener->chain);
}

static void remove_jumps(Buffer *out, const ForeignOpener *opener, const IptablesView *view)
{
	if (view->in_forward)
		buffer_printf(out, "-D FORWARD -j %s\n", opener->chain);
	if (view->in_user)
		buffer_printf(out, "-D DOCKER-USER -j %s\n", opener->chain);
}

/* Behind what the owner has put there, in front of the end that Docker has. */
static void add_jump(Buffer *out, const ForeignOpener *opener, const IptablesView *view)
{
	size_t end = view->user ? ruleset_find_jump(view->user, NULL) : 1;

	if (end && view->in_user && view->in_user < end)
		end--; /* it goes first */
	if (!view->user)
		buffer_printf(out, "-I FORWARD 1 -j %s\n", opener->chain);
	else if (end)
		buffer_printf(out, "-I DOCKER-USER %zu -j %s\n", end, opener->chain);
	else
		buffer_printf(out, "-A DOCKER-USER -j %s\n", opener->chain);
}

static void add_restore_job(ForeignOpener *opener, int program, char *take_input)
{
	Job *job = add_job(opener);

	strings_add(&job->argv, program_names[program]);
	strings_add(&job->argv, "--noflush");
	strings_add(&job->argv, "--wait");
	job->input = take_input;
}

static void open_iptables(ForeignOpener *opener, const IptablesView *view, int program)
{
	autofree char *rules = make_rules(opener);
	autoclear(Buffer) out = {0};
	bool is_current = view->own && (view->user ? view->in_user : view->in_forward) &&
			  string_equal(opener->applied[program], rules) && view->own->count == count_lines(rules);

	if (is_current)
		return;
	buffer_printf(&out, "*filter\n:%s - [0:0]\n", opener->chain); /* makes it, or empties it */
	remove_jumps(&out, opener, view);
	buffer_add_text(&out, rules);
	add_jump(&out, opener, view);
	buffer_add_text(&out, "COMMIT\n");
	add_restore_job(opener, program, buffer_steal(&out));
	string_replace(&opener->applied[program], rules);
}

static void close_iptables(ForeignOpener *opener, const IptablesView *view, int program)
{
	autoclear(Buffer) out = {0};

	string_replace(&opener->applied[program], NULL);
	if (!view->own)
		return;
	buffer_add_text(&out, "*filter\n");
	remove_jumps(&out, opener, view);
	buffer_printf(&out, "-F %s\n-X %s\nCOMMIT\n", opener->chain, opener->chain);
	add_restore_job(opener, program, buffer_steal(&out));
}

/* ---- firewalld ---- */

static const ForeignDrop *find_drop(const ForeignReport *report, ForeignManager manager, const char *family)
{
	for (size_t i = 0; i < report->count; i++) {
		const ForeignDrop *drop = &report->drops[i];
		if (drop->manager == manager && strcmp(drop->hook, "forward") == 0 &&
			(!family || strcmp(drop->family, family) == 0))
			return drop;
	}
	return NULL;
}

static Job *add_zone_job(ForeignOpener *opener, const char *option, const StringList *bridges)
{
	Job *job = add_job(opener);

	strings_add(&job->argv, "firewall-cmd");
	strings_printf(&job->argv, "--zone=%s", zone);
	for (size_t i = 0; i < bridges->count; i++)
		strings_printf(&job->argv, "--%s=%s", option, bridges->items[i]);
	return job;
}

/* What we told firewalld, and what it had made of it, so that nothing is told twice in vain. */
static char *zone_state(const Ruleset *ruleset, const StringList *bridges)
{
	autofree char *joined = strings_join(bridges, " ");
	size_t rules = 0;

	for (size_t i = 0; i < ruleset->count; i++)
		if (strcmp(ruleset->chains[i].table, "firewalld") == 0)
			rules += ruleset->chains[i].count;
	return string_printf("%zu %s", rules, joined);
}

static void open_firewalld(ForeignOpener *opener, const Ruleset *ruleset, const ForeignReport *report)
{
	const ForeignDrop *drop = find_drop(report, MANAGER_FIREWALLD, NULL);
	autofree char *state = drop ? zone_state(ruleset, &drop->bridges) : NULL;

	if (!drop || string_equal(state, opener->zone_tried))
		return;
	add_zone_job(opener, "change-interface", &drop->bridges);
	for (size_t i = 0; i < drop->bridges.count; i++)
		if (!strings_has(&opener->zoned, drop->bridges.items[i]))
			strings_add(&opener->zoned, drop->bridges.items[i]);
	write_record(opener);
}

static void close_firewalld(ForeignOpener *opener, const Ruleset *ruleset)
{
	autoclear(StringList) gone = {0};
	autofree char *state = NULL;

	for (size_t i = 0; i < opener->zoned.count; i++)
		if (!strings_has(&opener->bridges, opener->zoned.items[i]))
			strings_add(&gone, opener->zoned.items[i]);
	state = gone.count ? zone_state(ruleset, &gone) : NULL;
	if (!string_replace(&opener->unzone_tried, state) || !state)
		return;
	strings_copy(&add_zone_job(opener, "remove-interface", &gone)->unzoned, &gone);
}

/* ---- what should be ---- */

static void plan_iptables(ForeignOpener *opener, const Ruleset *ruleset, const ForeignReport *without_us, int program)
{
	IptablesView view;

	view_iptables(&view, opener, ruleset, program);
	if (find_drop(without_us, MANAGER_IPTABLES, program == IP4 ? "ip" : "ip6"))
		open_iptables(opener, &view, program);
	else
		close_iptables(opener, &view, program);
}

static void plan(ForeignOpener *opener, const Ruleset *ruleset, const ForeignReport *report)
{
	autoclear(ForeignReport) without_us = {0};

	foreign_judge(&without_us, ruleset, &opener->networks, opener->chain);
	for (int program = 0; program < PROGRAMS; program++)
		plan_iptables(opener, ruleset, &without_us, program);
	close_firewalld(opener, ruleset);
	open_firewalld(opener, ruleset, report);
}

/* ---- the report ---- */

static void tell_iptables(const ForeignOpener *opener, const Ruleset *ruleset, ForeignReport *report, int program)
{
	IptablesView view;

	view_iptables(&view, opener, ruleset, program);
	if (view.own && (view.in_forward || view.in_user))
		strings_printf(&report->opened,
			"%s: chain %s, jumped to from %s, lets pass what our bridges send and receive",
			program == IP4 ? "iptables" : "ip6tables", opener->chain,
			view.in_user ? "DOCKER-USER" : "FORWARD");
}

static void tell_opened(const ForeignOpener *opener, const Ruleset *ruleset, ForeignReport *report)
{
	autofree char *zoned = strings_join(&opener->zoned, ", ");

	for (int program = 0; program < PROGRAMS; program++)
		tell_iptables(opener, ruleset, report, program);
	if (opener->zoned.count)
		strings_printf(&report->opened, "firewalld: %s joined the zone \"%s\"", zoned, zone);
}

static char *text_of_report(const ForeignReport *report)
{
	autofree char *opened = strings_join(&report->opened, "\n");
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < report->count; i++) {
		autofree char *words = foreign_drop_words(&report->drops[i]);
		buffer_printf(&out, "%s\n", words);
	}
	buffer_add_text(&out, opened);
	return buffer_steal(&out);
}

static void keep_report(ForeignOpener *opener, ForeignReport *take_report)
{
	autofree char *text = text_of_report(take_report);

	foreign_report_clear(&opener->report);
	opener->report = *take_report;
	*take_report = (ForeignReport){0};
	if (!string_replace(&opener->report_text, text))
		return;
	if (opener->handler)
		opener->handler(opener->arg, &opener->report);
}

/* ---- looking ---- */

static fallible look_now(ForeignOpener *opener)
{
	autoclear(Ruleset) ruleset = {0};
	autoclear(ForeignReport) report = {0};
	bool is_again = opener->is_again;

	opener->is_again = false;
	TRY(ruleset_read(&ruleset, firewall_table(opener->ours)));
	foreign_judge(&report, &ruleset, &opener->networks, NULL);
	if (!is_again)
		plan(opener, &ruleset, &report);
	if (opener->job_count) {
		run_next_job(opener);
		return NULL;
	}
	const ForeignDrop *drop = find_drop(&report, MANAGER_FIREWALLD, NULL);
	free(opener->zone_tried);
	opener->zone_tried = drop ? zone_state(&ruleset, &drop->bridges) : NULL;
	tell_opened(opener, &ruleset, &report);
	keep_report(opener, &report);
	return NULL;
}

static void on_time(void *arg)
{
	ForeignOpener *opener = arg;
	Error *error = look_now(opener);

	if (error)
		error_log(error, "could not look at the rules of others");
	if (opener->is_asked && !opener->job_count) {
		opener->is_asked = false;
		source_rearm(opener->timer, PAUSE);
	}
}

static void copy_networks(FirewallState *to, const FirewallState *from)
{
	firewall_state_clear(to);
	for (size_t i = 0; i < from->network_count; i++)
		firewall_state_add_network(to, &from->networks[i]);
}

void foreign_opener_look(ForeignOpener *opener, const FirewallState *networks, const StringList *bridges)
{
	copy_networks(&opener->networks, networks);
	strings_copy(&opener->bridges, bridges);
	if (opener->job_count || opener->is_again)
		opener->is_asked = true;
	else
		source_rearm(opener->timer, PAUSE);
}

fallible foreign_opener_look_now(ForeignOpener *opener)
{
	return opener->job_count || opener->is_again ? NULL : look_now(opener);
}

const ForeignReport *foreign_opener_report(const ForeignOpener *opener)
{
	return &opener->report;
}

/* ---- life ---- */

/* At most 28 characters are a chain's name in iptables. */
static char *chain_name(const char *table)
{
	char *name = string_printf("%.20s-FORWARD", table);

	for (char *at = name; *at; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	return name;
}

Error *foreign_opener_new(
	ForeignOpener **ret, Loop *loop, const Firewall *ours, const char *record, ForeignHandler *handler, void *arg)
{
	autoptr(ForeignOpener) opener = mem_new(ForeignOpener);

	*opener = (ForeignOpener){.loop = loop, .ours = ours, .handler = handler, .arg = arg};
	opener->chain = chain_name(firewall_table(ours));
	opener->report_text = mem_strdup("");
	opener->record = record ? mem_strdup(record) : NULL;
	read_record(opener);
	TRY(loop_timer(&opener->timer, loop, -1, on_time, opener));
	*ret = take(opener);
	return NULL;
}

ForeignOpener *foreign_opener_free(ForeignOpener *opener)
{
	if (!opener)
		return NULL;
	tool_free(opener->tool);
	source_free(opener->timer);
	clear_jobs(opener);
	for (int program = 0; program < PROGRAMS; program++)
		free(opener->applied[program]);
	strings_clear(&opener->zoned);
	free(opener->record);
	free(opener->zone_tried);
	free(opener->unzone_tried);
	firewall_state_clear(&opener->networks);
	strings_clear(&opener->bridges);
	foreign_report_clear(&opener->report);
	free(opener->report_text);
	free(opener->chain);
	free(opener);
	return NULL;
}

static fallible plan_withdrawal(ForeignOpener *opener)
{
	autoclear(Ruleset) ruleset = {0};
	IptablesView view;

	TRY(ruleset_read(&ruleset, firewall_table(opener->ours)));
	for (int program = 0; program < PROGRAMS; program++) {
		view_iptables(&view, opener, &ruleset, program);
		close_iptables(opener, &view, program);
	}
	close_firewalld(opener, &ruleset);
	return NULL;
}

void foreign_opener_withdraw(ForeignOpener *opener, LoopHandler *done, void *arg)
{
	Error *error;

	opener->tool = tool_free(opener->tool);
	clear_jobs(opener);
	firewall_state_clear(&opener->networks);
	strings_clear(&opener->bridges);
	string_replace(&opener->unzone_tried, NULL);
	opener->done = done;
	opener->done_arg = arg;
	error = plan_withdrawal(opener);
	if (error)
		error_log(error, "could not look at the rules of others");
	run_next_job(opener);
}
