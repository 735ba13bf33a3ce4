// SPDX-License-Identifier: Apache-2.0
/*
 * What the allow-list denies is stopped and removed; what a rule alone denies is stopped where it is alive, and left
 * there. One that was allowed until now has ten seconds for its end; one that never was is killed: both end its restart
 * policy's part in it until somebody starts it, or the engine itself is started. Whatever fails is tried again, at
 * longer and longer intervals, for as long as the container is there, or alive, and is not allowed. It is on record, or
 * in the audit log, before anything is done.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "external/internal.h"

#define STOP_TARGET "/containers/%s/stop?t=10"
#define KILL_TARGET "/containers/%s/kill"
#define START_TARGET "/containers/%s/start"
#define DELETE_TARGET "/containers/%s?force=true"
#define STEP_NS (60 * NANOS_PER_SECOND)
#define AGAIN_FIRST_NS NANOS_PER_SECOND
#define AGAIN_MAX_NS (30 * NANOS_PER_SECOND)

/* ---- the record ---- */

const char *external_kind(const ExternalEngine *external)
{
	return external->kind ? external->kind : "external";
}

static const char *name_of(const ExternalContainer *container)
{
	return container->listed.name ? container->listed.name : container->listed.id;
}

static void audit(ExternalEngine *external, const char *decision, const Removal *removal, const char *rule)
{
	const AuditEntry entry = {
		.engine = removal->engine,
		.decision = (char *)decision,
		.door = (char *)"pass",
		.container = removal->id,
		.name = removal->name,
		.image = removal->image,
		.digests = removal->digests,
		.rule = (char *)rule,
		.reason = removal->reason,
	};

	engine_audit_note(external->engine, &entry, !string_equal(decision, "admit"));
}

static void describe(Removal *ret, const ExternalContainer *container, const char *reason)
{
	const ExternalListed *listed = &container->listed;

	string_replace(&ret->engine, external_kind(container->external));
	string_replace(&ret->engine_url, container->external->url);
	string_replace(&ret->id, listed->id);
	string_replace(&ret->name, listed->name ? listed->name : "");
	string_replace(&ret->image, listed->image ? listed->image : "");
	string_replace(&ret->state, listed->state ? listed->state : "");
	string_replace(&ret->reason, reason);
	strings_copy(&ret->digests, &container->facts.digests);
}

static void drop_pending(ExternalEngine *external, const char *id)
{
	Removal *removal = table_remove(external->pending, id);

	if (!removal)
		return;
	removal_clear(removal);
	free(removal);
}

void external_recall(ExternalEngine *external)
{
	FieldArray known = {0};
	Error *error = enforcement_removed(&known, external->engine);

	if (error)
		error_log(error, "what is to be removed from the other engine is not known");
	for (size_t i = 0; i < known.count; i++) {
		const Removal *removal = (const Removal *)known.items + i;
		if (!removal->engine || removal->removed)
			continue;
		Removal *pending = mem_new(Removal);
		fields_copy(removal_fields, pending, removal);
		table_set(external->pending, pending->id, pending);
	}
	removals_clear(&known);
}

void external_gone(ExternalEngine *external, const char *id)
{
	Removal *removal = table_get(external->pending, id);

	if (!removal)
		return;
	removal_stamp(&removal->removed);
	string_replace(&removal->error, NULL);
	removal_note(external->engine, removal);
	audit(external, "removed", removal, NULL);
	log_info("container \"%s\" was removed from %s: %s", removal->name, removal->engine, removal->reason);
	drop_pending(external, id);
	removals_tidy(external->engine);
}

void external_note_pending(ExternalEngine *external)
{
	const char *id;
	void *removal;

	for (size_t cursor = 0; table_next(external->pending, &cursor, &id, &removal);)
		external_container_get(external, id);
}

static void keep(ExternalEngine *external, const Removal *pending)
{
	audit(external, "keep", pending, NULL);
	removal_forget(external->engine, pending->id);
	drop_pending(external, pending->id);
}

static bool is_elsewhere(const ExternalEngine *external, const Removal *removal)
{
	return !external->url || !string_equal(removal->engine_url, external->url) ||
	       (external->kind && !string_equal(removal->engine, external->kind));
}

void external_stay(ExternalEngine *external)
{
	const char *id;
	void *removal;

	for (size_t cursor = 0; table_next(external->pending, &cursor, &id, &removal);)
		if (is_elsewhere(external, removal))
			keep(external, removal);
}

/* ---- stopping and removing ---- */

static int64_t next_delay(ExternalContainer *container)
{
	int64_t delay_ns = container->again_ns ? container->again_ns : AGAIN_FIRST_NS;

	container->again_ns = delay_ns * 2 < AGAIN_MAX_NS ? delay_ns * 2 : AGAIN_MAX_NS;
	return delay_ns;
}

static void failed(ExternalContainer *container, const char *what, Error *take_error)
{
	ExternalEngine *external = container->external;
	Removal *removal = table_get(external->pending, container->listed.id);

	if (removal && string_replace(&removal->error, error_message(take_error)))
		removal_note(external->engine, removal);
	error_log(take_error, "container \"%s\" of %s is not allowed, and could not be %s", name_of(container),
		external_kind(external), what);
	external_container_look_in(container, next_delay(container));
}

static void step(ExternalContainer *container, const char *method, const char *target, ExternalAnswered *done)
{
	const ExternalRequest request = {
		.method = method,
		.target = target,
		.body_max = WORDS_BODY_MAX,
		.timeout_ns = STEP_NS,
		.done = done,
		.arg = container,
	};

	container->removal = external_call_new(container->external->loop, &container->external->address, &request);
}

/* NULL where the engine has done it; 304: it was so already. */
static fallible check_done(int status, const Buffer *body)
{
	return status < 300 || status == 304 ? NULL : external_call_refusal(status, body);
}

static void on_deleted(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;

	container->removal = external_call_free(container->removal);
	if (!take_error && status != 404)
		take_error = check_done(status, body);
	if (take_error)
		failed(container, "removed", take_error);
	else
		external_container_look_in(container, 0); /* which finds that it is gone, or is not */
}

static void remove_by_force(ExternalContainer *container)
{
	autofree char *target = string_printf(DELETE_TARGET, container->listed.id);

	step(container, "DELETE", target, on_deleted);
}

static void on_started(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;

	container->removal = external_call_free(container->removal);
	if (!take_error)
		take_error = check_done(status, body);
	if (take_error)
		error_log(
			take_error, "container \"%s\" is allowed again, and could not be started", name_of(container));
	external_container_look_in(container, 0);
}

/* What the allow-list does not deny is removed by nobody. */
static bool is_of_rule(const Verdict *verdict)
{
	return verdict->rule && !string_equal(verdict->rule, "allowlist");
}

static void put_on_record(ExternalContainer *container, const Verdict *verdict)
{
	ExternalEngine *external = container->external;
	Removal *removal = table_get(external->pending, container->listed.id);

	if (removal)
		return;
	removal = mem_new(Removal);
	describe(removal, container, verdict->reason);
	removal_stamp(&removal->decided);
	table_set(external->pending, removal->id, removal);
	removal_note(external->engine, removal);
	audit(external, "remove", removal, verdict->rule);
}

static void remove_on_record(ExternalContainer *container, const Verdict *verdict)
{
	put_on_record(container, verdict);
	remove_by_force(container);
}

static void start_again(ExternalContainer *container)
{
	autofree char *target = string_printf(START_TARGET, container->listed.id);

	step(container, "POST", target, on_started);
}

/* It is denied by a rule alone, and stays. Alive all the same, it is stopped once more, after a while. */
static void leave_stopped(ExternalContainer *container, const char *reason, Error *take_error, bool is_ours)
{
	if (take_error) {
		failed(container, "stopped", take_error);
		return;
	}
	if (is_ours)
		log_info("container \"%s\" of %s was stopped: %s", name_of(container),
			external_kind(container->external), reason);
	container->is_stop_told = container->is_stop_told && !is_ours;
	external_container_look_in(container, next_delay(container));
}

/* The policy may have changed meanwhile. What the allow-list denies is removed by force, whatever was said to that. */
static void on_stopped(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;
	bool is_ours = status < 300 || status >= 500; /* or may be; 304, 404, 409: it had ended by itself */
	autoclear(Verdict) verdict = {0};

	if (!take_error && status != 404)
		take_error = check_done(status, body);
	container->removal = external_call_free(container->removal);
	external_judge_container(&verdict, container, engine_policy(container->external->engine));
	if (is_of_rule(&verdict)) {
		leave_stopped(container, verdict.reason, take_error, is_ours);
		return;
	}
	error_free(take_error);
	if (verdict.rule)
		remove_on_record(container, &verdict);
	else if (is_ours)
		start_again(container);
	else
		external_container_look_in(container, 0);
}

/* A state that nobody has told of is none of rest. */
static bool is_alive(const ExternalContainer *container)
{
	static const char *const rest[] = {
		"created", "configured", "initialized", "exited", "stopped", "dead", "removing"};
	const char *state = container->listed.state;

	return !state || names_find(rest, COUNT(rest), state) < 0;
}

static void stop(ExternalContainer *container, bool has_time)
{
	autofree char *target = string_printf(has_time ? STOP_TARGET : KILL_TARGET, container->listed.id);

	step(container, "POST", target, on_stopped);
}

void external_leave(ExternalContainer *container)
{
	container->removal = external_call_free(container->removal);
	container->again = source_free(container->again);
}

/* ---- the verdict ---- */

static void tell(const ExternalContainer *container, const char *decision, const char *rule, const char *reason)
{
	autoclear(Removal) removal = {0};

	describe(&removal, container, reason);
	audit(container->external, decision, &removal, rule);
}

/* By the allow-list. */
static void withdraw(ExternalContainer *container, const Verdict *verdict, bool has_time)
{
	put_on_record(container, verdict);
	if (is_alive(container))
		stop(container, has_time);
	else
		remove_by_force(container);
}

/* By a rule. Nothing of it is on record: it is looked at again as long as it is there. */
static void put_to_rest(ExternalContainer *container, const Verdict *verdict, bool has_time)
{
	const Removal *pending = table_get(container->external->pending, container->listed.id);

	if (pending)
		keep(container->external, pending);
	if (!is_alive(container)) {
		container->is_stop_told = false;
		container->again_ns = 0;
		return;
	}
	if (!container->is_stop_told)
		tell(container, "stop", verdict->rule, verdict->reason);
	container->is_stop_told = true;
	stop(container, has_time);
}

static void deny(ExternalContainer *container, const Verdict *verdict)
{
	bool has_time = container->was_allowed && string_equal(container->listed.state, "running");

	container->was_allowed = container->was_admitted = false;
	if (is_of_rule(verdict))
		put_to_rest(container, verdict, has_time);
	else
		withdraw(container, verdict, has_time);
}

static void allow(ExternalContainer *container)
{
	ExternalEngine *external = container->external;
	const Removal *pending = table_get(external->pending, container->listed.id);
	bool is_asked = !policy_is_idle(engine_policy(external->engine));

	if (pending) {
		log_info("container \"%s\" of %s is allowed again", name_of(container), external_kind(external));
		keep(external, pending);
	} else if (is_asked && !container->was_admitted) {
		tell(container, "admit", NULL, NULL);
	}
	container->was_admitted = is_asked;
	container->was_allowed = true;
	container->is_stop_told = false;
	container->again_ns = 0;
}

/* Once each, not with every look. */
static void warn(ExternalContainer *container, const StringMap *warnings)
{
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < warnings->count; i++)
		buffer_printf(&text, "%s: %s\n", warnings->items[i].key, warnings->items[i].value);
	if (!string_replace(&container->warned, buffer_text(&text)))
		return;
	for (size_t i = 0; i < warnings->count; i++)
		tell(container, "warn", warnings->items[i].key, warnings->items[i].value);
}

/* Whose network it has decides, and nothing is known of that one. */
static bool hangs_on_owner(const ExternalContainer *container, const Verdict *verdict)
{
	static const char rule[] = "hostNetwork";
	bool decides = verdict->rule ? string_equal(verdict->rule, rule) : map_get(&verdict->warnings, rule) != NULL;

	return decides && external_unknown_owner(container);
}

static void conclude(ExternalContainer *container, bool may_put_off)
{
	autoclear(Verdict) verdict = {0};

	external_judge_container(&verdict, container, engine_policy(container->external->engine));
	container->is_put_off = may_put_off && hangs_on_owner(container, &verdict);
	if (container->removal || container->is_put_off) /* each step's end looks again */
		return;
	warn(container, &verdict.warnings);
	if (verdict.rule)
		deny(container, &verdict);
	else
		allow(container);
}

void external_enforce(ExternalContainer *container)
{
	conclude(container, true);
}

static bool may_owner_answer(const ExternalContainer *container)
{
	const char *name = external_unknown_owner(container);
	const ExternalContainer *owner = name ? table_get(container->external->by_id, name) : NULL;

	return owner && external_container_may_answer(owner);
}

void external_enforce_put_off(ExternalEngine *external)
{
	list_each(&external->containers, ExternalContainer, in_external, container) {
		if (container->is_put_off)
			conclude(container, may_owner_answer(container));
	}
}

void external_engine_dry_run(
	FieldArray *removals, FieldArray *stops, const ExternalEngine *external, const Policy *policy)
{
	list_each(&external->containers, ExternalContainer, in_external, container) {
		autoclear(Verdict) verdict = {0};
		external_judge_container(&verdict, container, policy);
		if (verdict.rule && !is_of_rule(&verdict))
			describe(removals_add(removals), container, verdict.reason);
		else if (verdict.rule && is_alive(container))
			describe(removals_add(stops), container, verdict.reason);
	}
}
