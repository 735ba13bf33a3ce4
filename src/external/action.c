// SPDX-License-Identifier: Apache-2.0
/* What clients wait for, and what they have done. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "external/internal.h"

enum { NAME_MAX_LENGTH = 255 };

#define WAIT_NS (15 * NANOS_PER_SECOND)
#define VERB_NS (600 * NANOS_PER_SECOND) /* a container may take its time to stop */

/* ---- waiting for the list ---- */

struct ExternalWait {
	ExternalEngine *external;
	List in_external;
	LoopHandler *handler;
	void *arg;
	Source *timer;
};

/* Not the caller's turn: who asks is not called back before it has its wait. */
static void on_wait_over(void *arg)
{
	ExternalWait *wait = arg;

	list_remove(&wait->in_external);
	wait->handler(wait->arg);
}

void external_wait_call(ExternalEngine *external)
{
	list_each(&external->waits, ExternalWait, in_external, wait)
		source_rearm(wait->timer, 0);
}

ExternalWait *external_wait_new(ExternalEngine *external, LoopHandler *handler, void *arg)
{
	ExternalWait *wait = mem_new(ExternalWait);
	bool is_there = external->state == EXTERNAL_CONNECTED;
	Error *error;

	wait->external = external;
	wait->handler = handler;
	wait->arg = arg;
	list_append(&external->waits, &wait->in_external);
	error = loop_timer(&wait->timer, external->loop, is_there ? WAIT_NS : 0, on_wait_over, wait);
	error_free(error); /* the list comes, or the connection is lost: both call */
	if (is_there)
		external_pass(external, false);
	return wait;
}

static void free_wait(void *arg)
{
	free(arg);
}

ExternalWait *external_wait_free(ExternalWait *wait)
{
	if (!wait)
		return NULL;
	list_remove(&wait->in_external);
	wait->timer = source_free(wait->timer);
	loop_defer_free(wait->external->loop, free_wait, wait);
	return NULL;
}

/* ---- actions ---- */

struct ExternalAction {
	ExternalEngine *external;
	ExternalVerb verb;
	bool is_forced;
	ExternalFacts facts;
	ExternalCall *call;
	Source *refusal;
	Error *why; /* of refusal */
	ExternalDone *done;
	void *arg;
};

static void answer(ExternalAction *action, Error *take_error, int status, const char *words)
{
	action->done(action->arg, take_error, status, words);
}

static void ask(ExternalAction *action, const char *method, const char *target, size_t max, ExternalAnswered *done)
{
	const ExternalRequest request = {
		.method = method,
		.target = target,
		.body_max = max,
		.timeout_ns = string_equal(method, "GET") ? ANSWER_NS : VERB_NS,
		.done = done,
		.arg = action,
	};

	external_call_free(action->call);
	action->call = external_call_new(action->external->loop, &action->external->address, &request);
}

/* The engine has said no. */
static void pass_on(ExternalAction *action, int status, const Buffer *body)
{
	autofree char *words = status >= 400 ? external_call_words(status, body) : NULL;

	answer(action, NULL, status, words);
}

static void on_done(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalAction *action = arg;
	ExternalContainer *container = action->facts.id ? table_get(action->external->by_id, action->facts.id) : NULL;

	if (container)
		external_container_look(container);
	external_look_over(action->external);
	if (take_error)
		answer(action, take_error, 0, NULL);
	else
		pass_on(action, status, body);
}

static void act(ExternalAction *action)
{
	static const char *const words[] = {
		[EXTERNAL_START] = "start", [EXTERNAL_STOP] = "stop", [EXTERNAL_RESTART] = "restart"};
	bool is_delete = action->verb == EXTERNAL_DELETE;
	const char *id = action->facts.id;
	autofree char *target = is_delete
					? string_printf("/containers/%s%s", id, action->is_forced ? "?force=true" : "")
					: string_printf("/containers/%s/%s", id, words[action->verb]);

	ask(action, is_delete ? "DELETE" : "POST", target, WORDS_BODY_MAX, on_done);
}

/* ---- what is about to run is judged as it is now ---- */

static void note_refusal(ExternalAction *action, const Verdict *verdict)
{
	const ExternalFacts *facts = &action->facts;
	const AuditEntry entry = {
		.engine = (char *)external_kind(action->external),
		.decision = (char *)"deny",
		.door = (char *)(action->verb == EXTERNAL_START ? "start" : "restart"),
		.container = facts->id,
		.name = facts->name,
		.image = facts->image,
		.digests = facts->digests,
		.rule = (char *)verdict->rule,
		.reason = verdict->reason,
	};

	engine_audit_note(action->external->engine, &entry, true);
}

static void judge_and_act(ExternalAction *action)
{
	autoclear(Verdict) verdict = {0};

	external_judge(&verdict, action->external, &action->facts, engine_policy(action->external->engine));
	if (!verdict.rule) {
		act(action);
		return;
	}
	note_refusal(action, &verdict);
	answer(action, verdict_error(&verdict), 0, NULL);
}

static void on_image(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalAction *action = arg;

	if (!take_error && status == 200)
		take_error = external_facts_read_image(&action->facts, body);
	if (take_error)
		answer(action, take_error, 0, NULL);
	else if (status != 200 && status != 404)
		pass_on(action, status, body);
	else
		judge_and_act(action);
}

static void ask_for_image(ExternalAction *action)
{
	autofree char *target = external_image_target(&action->facts);

	if (target)
		ask(action, "GET", target, DOCUMENT_MAX, on_image);
	else
		judge_and_act(action);
}

static void on_document(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalAction *action = arg;

	if (!take_error && status == 200)
		take_error = external_facts_read(&action->facts, body);
	if (take_error)
		answer(action, take_error, 0, NULL);
	else if (status != 200)
		pass_on(action, status < 400 ? 500 : status, body);
	else if (action->verb == EXTERNAL_START || action->verb == EXTERNAL_RESTART)
		ask_for_image(action);
	else
		act(action);
}

/* ---- life ---- */

static fallible check(const ExternalEngine *external, const char *name)
{
	size_t length = strlen(name);

	if (!external->url)
		return error_hint(error_new(ERROR_NOT_FOUND, "there is no other engine"),
			"field \"engine.url\" of the service's options names one");
	if (external->state != EXTERNAL_CONNECTED)
		return error_new(ERROR_UNAVAILABLE, "the other engine, \"%s\", cannot be asked: %s", external->url,
			external->problem ? external->problem : "it has not answered yet");
	if (!length || length > NAME_MAX_LENGTH || *name == '.' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != length)
		return error_new(ERROR_NOT_FOUND, "\"%.*s\" is no container's name or id", NAME_MAX_LENGTH, name);
	return NULL;
}

static void on_refusal(void *arg)
{
	ExternalAction *action = arg;

	answer(action, take(action->why), 0, NULL);
}

ExternalAction *external_action_new(
	ExternalEngine *external, ExternalVerb verb, const char *name, bool is_forced, ExternalDone *done, void *arg)
{
	ExternalAction *action = mem_new(ExternalAction);
	autofree char *target = NULL;

	action->external = external;
	action->verb = verb;
	action->is_forced = is_forced;
	action->done = done;
	action->arg = arg;
	action->why = check(external, name);
	if (action->why) {
		error_free(loop_defer(&action->refusal, external->loop, on_refusal, action)); /* it never fails */
		return action;
	}
	target = string_printf("/containers/%s/json", name);
	ask(action, "GET", target, DOCUMENT_MAX, on_document);
	return action;
}

static void free_action(void *arg)
{
	ExternalAction *action = arg;

	error_free(action->why); /* nobody is left to be told */
	external_facts_clear(&action->facts);
	free(action);
}

ExternalAction *external_action_free(ExternalAction *action)
{
	if (!action)
		return NULL;
	action->call = external_call_free(action->call);
	action->refusal = source_free(action->refusal);
	loop_defer_free(action->external->loop, free_action, action);
	return NULL;
}
