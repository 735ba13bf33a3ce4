// SPDX-License-Identifier: Apache-2.0
/* One container: what is known of it, and the look at it: its document, then its image's. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "external/internal.h"

enum {
	REFUSALS_MAX = 3, /* what is answered with an error so often in a row counts as an answer */
	SILENCES_MAX = 3, /* who gives no answer so often in a row is no reason to put off another's verdict */
};

#define AGAIN_NS NANOS_PER_SECOND

/* ---- life ---- */

ExternalContainer *external_container_get(ExternalEngine *external, const char *id)
{
	ExternalContainer *container = table_get(external->by_id, id);

	if (container)
		return container;
	container = mem_new(ExternalContainer);
	container->external = external;
	container->listed.id = mem_strdup(id);
	list_append(&external->containers, &container->in_external);
	list_init(&container->in_queue);
	table_set(external->by_id, id, container);
	return container;
}

static LookQueue *looks_at(ExternalContainer *container)
{
	return container->silences ? &container->external->retries : &container->external->looks;
}

static void end_look(ExternalContainer *container)
{
	if (!container->look)
		return;
	container->look = external_call_free(container->look);
	looks_at(container)->under_way--;
}

void external_container_forget(ExternalContainer *container)
{
	ExternalEngine *external = container->external;

	table_remove(external->by_id, container->listed.id);
	list_remove(&container->in_external);
	list_remove(&container->in_queue);
	end_look(container);
	external_leave(container);
	external_listed_clear(&container->listed);
	external_facts_clear(&container->facts);
	external_facts_clear(&container->found);
	free(container->unknown_why);
	free(container->warned);
	free(container);
	external_changed(external);
}

/* ---- the end of a look ---- */

static void look_is_over(ExternalContainer *container, bool is_answered)
{
	end_look(container);
	container->silences = is_answered ? 0 : container->silences + 1;
	external_facts_clear(&container->found);
	if (container->is_to_be_looked_at_again)
		external_container_look(container);
	container->is_to_be_looked_at_again = false;
}

/* The list is read seldom: what one container is in the middle of is shown all the same. */
static void show(ExternalContainer *container)
{
	ExternalListed *listed = &container->listed;
	const ExternalFacts *facts = &container->facts;

	if (!string_equal(listed->state, facts->state)) {
		string_replace(&listed->state, facts->state);
		string_replace(&listed->status, facts->state);
	}
	string_replace(&listed->name, facts->name);
	string_replace(&listed->image, facts->image);
	string_replace(&listed->image_id, facts->image_id);
}

static void known(ExternalContainer *container)
{
	ExternalEngine *external = container->external;

	external_facts_clear(&container->facts);
	container->facts = container->found;
	container->found = (ExternalFacts){0};
	string_replace(&container->unknown_why, NULL);
	container->image_refusals = 0;
	show(container);
	look_is_over(container, true);
	external_changed(external);
	external_enforce(container);
	external_look_over(external);
}

static void gone(ExternalContainer *container)
{
	ExternalEngine *external = container->external;

	external_gone(external, container->listed.id);
	external_container_forget(container);
	external_look_over(external);
}

/* Nothing to judge by was said, and that counts. */
static void unknown(ExternalContainer *container, Error *take_error, bool is_answered)
{
	ExternalEngine *external = container->external;

	string_replace(&container->unknown_why, error_message(take_error));
	error_log(take_error, "container %.12s of the other engine cannot be judged", container->listed.id);
	look_is_over(container, is_answered);
	external_changed(external);
	external_enforce(container);
	external_look_over(external);
}

static void look_again(void *arg)
{
	ExternalContainer *container = arg;

	external_container_look(container);
	external_look_over(container->external);
}

void external_container_look_in(ExternalContainer *container, int64_t delay_ns)
{
	Error *error = NULL;

	if (container->again)
		source_rearm(container->again, delay_ns);
	else
		error = loop_timer(&container->again, container->external->loop, delay_ns, look_again, container);
	if (error)
		error_log(error, "container %.12s is looked at with the next pass", container->listed.id);
}

/* Whatever the answer were. */
static bool is_denied_anyway(const ExternalContainer *container)
{
	const Policy *policy = engine_policy(container->external->engine);

	return policy_is_enforcing(policy) && policy_size(policy) == 0;
}

/* There was no answer: that says nothing of the container. */
static void unanswered(ExternalContainer *container, Error *take_error)
{
	if (is_denied_anyway(container)) {
		unknown(container, take_error, false);
		return;
	}
	error_log(take_error, "container %.12s of the other engine could not be looked at", container->listed.id);
	look_is_over(container, false);
	external_container_look_in(container, AGAIN_NS);
	external_look_over(container->external);
}

static void refused(ExternalContainer *container, int status, const Buffer *body)
{
	Error *error = external_call_refusal(status, body);

	if (++container->refusals < REFUSALS_MAX)
		unanswered(container, error);
	else
		unknown(container, error, true);
}

bool external_container_may_answer(const ExternalContainer *container)
{
	return !container->facts.id && !container->unknown_why && container->silences < SILENCES_MAX;
}

/* ---- its image ---- */

static bool is_too_much(const Error *error)
{
	return error_kind(error) == ERROR_TOO_LARGE;
}

/* The container itself was read: what was known of its image holds on, and else it is judged by the image's id. */
static void image_refused(ExternalContainer *container, int status, const Buffer *body)
{
	const ExternalFacts *earlier = &container->facts;
	Error *error = external_call_refusal(status, body);

	if (++container->image_refusals < REFUSALS_MAX) {
		unanswered(container, error);
		return;
	}
	error_log(
		error, "the image of container %.12s of the other engine could not be looked at", container->listed.id);
	if (string_equal(earlier->image_id, container->found.image_id))
		external_facts_keep_image(&container->found, earlier);
	else
		container->found.is_image_unknown = true;
	known(container);
}

static void on_image(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;
	Error *error = NULL;

	if (take_error) {
		if (is_too_much(take_error))
			unknown(container, take_error, true);
		else
			unanswered(container, take_error);
		return;
	}
	if (status != 200 && status != 404) { /* 404: removed by force, its id is all that is left */
		image_refused(container, status, body);
		return;
	}
	if (status == 200)
		error = external_facts_read_image(&container->found, body);
	if (error)
		unknown(container, error, true);
	else
		known(container);
}

static ExternalCall *ask(ExternalContainer *container, const char *target, ExternalAnswered *done)
{
	const ExternalRequest request = {
		.method = "GET",
		.target = target,
		.body_max = DOCUMENT_MAX,
		.timeout_ns = ANSWER_NS,
		.done = done,
		.arg = container,
	};

	return external_call_new(container->external->loop, &container->external->address, &request);
}

static void look_at_image(ExternalContainer *container)
{
	autofree char *target = external_image_target(&container->found);

	if (!target) {
		known(container);
		return;
	}
	external_call_free(container->look);
	container->look = ask(container, target, on_image);
}

/* ---- the container ---- */

static void on_document(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;
	Error *error = take_error;

	if (error && !is_too_much(error)) {
		unanswered(container, error);
		return;
	}
	if (!error && status == 404) {
		gone(container);
		return;
	}
	if (!error && status != 200) {
		refused(container, status, body);
		return;
	}
	container->refusals = 0;
	if (!error)
		error = external_facts_read(&container->found, body);
	if (!error && !string_equal(container->found.id, container->listed.id))
		error = error_new(ERROR_INVALID, "its document is another container's");
	if (error)
		unknown(container, error, true);
	else
		look_at_image(container);
}

void external_container_begin_look(ExternalContainer *container)
{
	autofree char *target = string_printf("/containers/%s/json", container->listed.id);

	list_remove(&container->in_queue);
	looks_at(container)->under_way++;
	container->look = ask(container, target, on_document);
}

void external_container_look(ExternalContainer *container)
{
	if (container->look)
		container->is_to_be_looked_at_again = true;
	else if (list_empty(&container->in_queue))
		list_append(&looks_at(container)->waiting, &container->in_queue);
}
