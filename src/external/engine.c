// SPDX-License-Identifier: Apache-2.0
/* The connection, and passes through the list. */
#include "external/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/event.h"
#include "external/internal.h"

/* filters={"type":["container","image"]} */
#define EVENTS_TARGET "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D"

enum { LOOKS_MAX = 4, RETRIES_MAX = 2, PIECES_MAX = 256 << 10, LISTED_MAX = 4 * EXTERNAL_CONTAINERS_MAX };

#define LIST_NS (30 * NANOS_PER_SECOND)
#define BACKOFF_FIRST_NS (250 * NANOS_PER_MILLI)
#define BACKOFF_MAX_NS (5 * NANOS_PER_SECOND)
#define REGULAR_NS (60 * NANOS_PER_SECOND)
#define LIST_AGAIN_NS (5 * NANOS_PER_SECOND) /* where it was none */
#define SOON_NS NANOS_PER_SECOND             /* passes for the sake of events are no closer together */
#define TELL_NS (100 * NANOS_PER_MILLI)

const char *const external_state_names[EXTERNAL_STATES] = {
	[EXTERNAL_NONE] = "none", [EXTERNAL_CONNECTING] = "connecting", [EXTERNAL_CONNECTED] = "connected"};

static void settle(ExternalEngine *external);

/* ---- what is told ---- */

static void tell(void *arg)
{
	ExternalEngine *external = arg;

	if (external->has_changed)
		event_emit(external->engine, "engine", "change", "external", "name", "external", NULL);
	external->has_changed = false;
}

/* Lists of it follow kedged's events: once for all that happens within a moment. */
void external_changed(ExternalEngine *external)
{
	if (!external->has_changed)
		source_rearm(external->tell, TELL_NS);
	external->has_changed = true;
}

static void set_state(ExternalEngine *external, ExternalState state, const char *problem)
{
	if (external->state == state && string_equal(external->problem, problem))
		return;
	if (problem && !string_equal(external->problem, problem))
		log_warning("the other engine, \"%s\": %s", external->url, problem);
	else if (state == EXTERNAL_CONNECTED && external->state != state)
		log_info("the other engine, \"%s\", is looked after", external->url);
	external->state = state;
	string_replace(&external->problem, problem);
	external_changed(external);
}

/* ---- is it ourselves? ---- */

static bool is_same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static fallible check_own(const ExternalEngine *external, const ExternalAddress *address, const char *url)
{
	const char *path = external_address_path(address);

	for (size_t i = 0; path && i < external->own_sockets.count; i++)
		if (is_same_file(path, external->own_sockets.items[i]))
			return error_new(ERROR_INVALID, "\"%.300s\" is kedge's own socket", url);
	return NULL;
}

static fallible parse_url(ExternalAddress *ret, const ExternalEngine *external, const char *url)
{
	ExternalAddress address;

	TRY(external_address_parse(&address, url));
	TRY(check_own(external, &address, url));
	*ret = address;
	return NULL;
}

fallible external_engine_check_url(const ExternalEngine *external, const char *url)
{
	ExternalAddress address;

	if (!string_empty(url))
		TRY_WRAP(parse_url(&address, external, url), "field \"engine.url\"");
	return NULL;
}

/* ---- losing it ---- */

static void forget_looks(ExternalEngine *external)
{
	list_each(&external->containers, ExternalContainer, in_external, container) {
		container->look = external_call_free(container->look);
		external_facts_clear(&container->found);
		list_remove(&container->in_queue);
		container->is_to_be_looked_at_again = false;
	}
	external->looks.under_way = external->retries.under_way = 0;
}

static void hang_up(ExternalEngine *external)
{
	external->greeting = external_call_free(external->greeting);
	external->events = external_call_free(external->events);
	external->list = external_call_free(external->list);
	external_lines_clear(&external->lines);
	external_items_clear(&external->items);
	external->wants_list = external->wants_whole = external->has_passed = false;
	source_rearm(external->regular, -1);
	source_rearm(external->soon, -1);
	external->has_gap = false;
	source_rearm(external->again, -1);
	forget_looks(external);
}

static int64_t next_backoff(ExternalEngine *external)
{
	int64_t delay_ns = external->backoff_ns;

	external->backoff_ns = delay_ns * 2 < BACKOFF_MAX_NS ? delay_ns * 2 : BACKOFF_MAX_NS;
	return delay_ns;
}

void external_lost(ExternalEngine *external, Error *take_error)
{
	autofree char *problem = error_text(take_error);

	error_free(take_error);
	hang_up(external);
	set_state(external, EXTERNAL_CONNECTING, problem);
	source_rearm(external->again, next_backoff(external));
	external_wait_call(external);
}

/* ---- calls ---- */

static ExternalCall *ask(
	ExternalEngine *external, const char *target, size_t max, int64_t timeout_ns, ExternalAnswered *done)
{
	const ExternalRequest request = {
		.method = "GET",
		.target = target,
		.body_max = max,
		.timeout_ns = timeout_ns,
		.done = done,
		.arg = external,
	};

	return external_call_new(external->loop, &external->address, &request);
}

/* *ret stays NULL, and the connection is lost, where that is no answer. */
static void read_answer(Value **ret, ExternalEngine *external, Error *take_error, int status, const Buffer *body)
{
	autoptr(Value) answer = NULL;
	Error *error = take_error;

	if (!error && status != 200)
		error = external_call_refusal(status, body);
	if (!error)
		error = value_parse(&answer, buffer_text(body), body->length);
	if (!error && !value_is_object(answer))
		error = error_new(ERROR_UNAVAILABLE, "its answer is %s", value_kind_name(answer));
	if (error)
		external_lost(external, error);
	else
		*ret = take(answer);
}

/* ---- passes ---- */

static void add_listed(ExternalEngine *external, ExternalListed *take_listed, bool is_whole)
{
	ExternalContainer *container = external_container_get(external, take_listed->id);

	external_listed_clear(&container->listed);
	container->listed = *take_listed;
	*take_listed = (ExternalListed){0};
	container->is_listed = true;
	if (is_whole || !container->facts.id || !string_equal(container->listed.state, container->facts.state))
		external_container_look(container);
}

static char *count_problem(const ExternalEngine *external)
{
	if (external->listed > EXTERNAL_CONTAINERS_MAX)
		return string_printf("it has %zu containers, %d of them are looked after", external->listed,
			(int)EXTERNAL_CONTAINERS_MAX);
	if (external->unread)
		return string_printf(
			"%zu of its containers cannot be understood, and are not looked after", external->unread);
	return NULL;
}

static bool has_room(const ExternalEngine *external, const char *id)
{
	return table_get(external->by_id, id) || table_count(external->by_id) < EXTERNAL_CONTAINERS_MAX;
}

static void note_and_look(ExternalEngine *external, const char *id)
{
	ExternalContainer *container = external_container_get(external, id);

	container->is_listed = true;
	external_container_look(container);
}

/* Where the item says too little, the container's own document is asked. */
static void on_item(void *arg, const char *item, size_t length)
{
	ExternalEngine *external = arg;
	autoclear(ExternalListed) listed = {0};
	autofree char *id = NULL;
	Error *error;

	if (++external->listed > LISTED_MAX) /* which ends the list */
		return;
	error = external_listed_read(&listed, &id, item, length);
	if (!id)
		external->unread++;
	else if (error && has_room(external, id))
		note_and_look(external, id);
	else if (has_room(external, id))
		add_listed(external, &listed, external->is_list_whole);
	error_free(error); /* counted, or looked into */
}

/* What is not in the list is asked for by its id: one that came meanwhile is there, and no list tells who is gone. */
static void look_for_missing(ExternalEngine *external)
{
	external_note_pending(external);
	list_each(&external->containers, ExternalContainer, in_external, container) {
		if (!container->is_listed)
			external_container_look(container);
	}
}

/* An error: that was no list. It is told, and a list asked for again; until then what is known, and what events name,
 * is looked at. */
static void list_over(ExternalEngine *external, Error *take_error)
{
	autofree char *problem = take_error ? error_text(take_error) : count_problem(external);

	external->list = external_call_free(external->list);
	external_items_clear(&external->items);
	set_state(external, EXTERNAL_CONNECTED, problem);
	look_for_missing(external);
	external->has_passed = true;
	external_changed(external);
	source_rearm(external->regular, take_error ? LIST_AGAIN_NS : REGULAR_NS);
	error_free(take_error);
	external_look_over(external);
}

static void on_list_piece(void *arg, const char *bytes, size_t length)
{
	ExternalEngine *external = arg;

	external->list_bytes += length;
	if (external->list_bytes > LIST_MAX) {
		list_over(external,
			error_new(ERROR_TOO_LARGE, "its list of containers is larger than %d bytes", (int)LIST_MAX));
		return;
	}
	external_items_feed(&external->items, bytes, length, on_item, external);
	if (external->listed > LISTED_MAX)
		list_over(external,
			error_new(ERROR_TOO_LARGE, "its list of containers has more than %d items", (int)LISTED_MAX));
}

static void on_list(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalEngine *external = arg;

	if (take_error)
		external_lost(external, take_error);
	else if (status != 200)
		list_over(external, external_call_refusal(status, body));
	else
		list_over(external, external_items_end(&external->items));
}

static void ask_for_list(ExternalEngine *external)
{
	const ExternalRequest request = {
		.method = "GET",
		.target = "/containers/json?all=true",
		.body_max = PIECES_MAX,
		.timeout_ns = LIST_NS,
		.data = on_list_piece,
		.done = on_list,
		.arg = external,
	};

	external->list_bytes = external->listed = external->unread = 0;
	external->list = external_call_new(external->loop, &external->address, &request);
}

static void begin_list(ExternalEngine *external, bool is_whole)
{
	list_each(&external->containers, ExternalContainer, in_external, container)
		container->is_listed = false;
	external->is_list_whole = is_whole;
	external->wants_list = external->wants_whole = false;
	ask_for_list(external);
}

void external_pass(ExternalEngine *external, bool is_whole)
{
	if (!external->events) /* then one comes with the connection */
		return;
	external->wants_list = true;
	external->wants_whole = external->wants_whole || is_whole;
	if (!external->list)
		begin_list(external, external->wants_whole);
}

/* Something was lost or cannot be understood. The timer runs on: a flood of such makes one pass a second. */
static void note_gap(ExternalEngine *external)
{
	if (external->has_gap)
		return;
	external->has_gap = true;
	source_rearm(external->soon, SOON_NS);
}

static void on_soon(void *arg)
{
	((ExternalEngine *)arg)->has_gap = false;
	external_pass(arg, true);
}

static void begin_looks(LookQueue *looks, size_t max)
{
	while (looks->under_way < max && !list_empty(&looks->waiting))
		external_container_begin_look(list_entry(looks->waiting.next, ExternalContainer, in_queue));
}

void external_look_over(ExternalEngine *external)
{
	if (!external->has_passed)
		return;
	begin_looks(&external->looks, LOOKS_MAX);
	begin_looks(&external->retries, RETRIES_MAX);
	if (!external->looks.under_way && !external->list)
		settle(external);
}

/* Everything that was to be looked at was, or gives no answer. */
static void settle(ExternalEngine *external)
{
	external_enforce_put_off(external);
	if (external->wants_list)
		begin_list(external, external->wants_whole);
	else
		external_wait_call(external);
}

/* ---- events ---- */

static void on_line(void *arg, const char *line, size_t length)
{
	ExternalEngine *external = arg;
	ExternalEvent event = EXTERNAL_NO_CHANGE;
	autofree char *id = NULL;
	Error *error = line ? external_event_read(&event, &id, line, length) : NULL;

	if (!line || error || event == EXTERNAL_IMAGES || (id && !has_room(external, id))) {
		error_free(error); /* a pass makes up for it */
		note_gap(external);
	} else if (id) {
		note_and_look(external, id);
	}
}

static void on_events(void *arg, const char *bytes, size_t length)
{
	ExternalEngine *external = arg;

	external_lines_feed(&external->lines, bytes, length, on_line, external);
	external_look_over(external);
}

static void on_events_begun(void *arg)
{
	external_pass(arg, true);
}

static void on_events_ended(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalEngine *external = arg;
	autofree char *words = take_error || status == 200 ? NULL : external_call_words(status, body);

	if (!take_error)
		take_error =
			error_new(ERROR_UNAVAILABLE, "its events ended%s%s", words ? ": " : "", words ? words : "");
	external_lost(external, take_error);
}

static void follow_events(ExternalEngine *external)
{
	const ExternalRequest request = {
		.method = "GET",
		.target = EVENTS_TARGET,
		.body_max = PIECES_MAX,
		.timeout_ns = ANSWER_NS,
		.head = on_events_begun,
		.data = on_events,
		.done = on_events_ended,
		.arg = external,
	};

	external->events = external_call_new(external->loop, &external->address, &request);
}

/* ---- who is it? ---- */

static bool is_ourselves(const ExternalEngine *external, const char *id)
{
	autoclear(EngineInfo) info = {0};
	Error *error = engine_info(&info, external->engine);
	bool is_same = !error && id && string_equal(info.id, id);

	error_free(error); /* its socket was compared already */
	return is_same;
}

static void on_info(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalEngine *external = arg;
	autoptr(Value) info = NULL;

	external->greeting = external_call_free(external->greeting);
	read_answer(&info, external, take_error, status, body);
	if (!info)
		return;
	if (is_ourselves(external, value_string(value_get(info, "ID")))) {
		hang_up(external);
		set_state(external, EXTERNAL_NONE, "field \"engine.url\": it is kedge itself that answers there");
		return;
	}
	follow_events(external);
}

static const char *kind_of(const Value *version)
{
	const Value *components = value_get(version, "Components");

	for (size_t i = 0; i < value_count(components); i++) {
		const char *name = value_string(value_get(value_at(components, i), "Name"));
		if (name && strstr(name, "Podman"))
			return "podman";
		if (string_equal(name, "Engine"))
			return "docker";
	}
	return NULL;
}

/* Only another kedge is asked for its id: an engine's information may take its time. */
static void on_version(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalEngine *external = arg;
	autoptr(Value) version = NULL;

	external->greeting = external_call_free(external->greeting);
	read_answer(&version, external, take_error, status, body);
	if (!version)
		return;
	string_replace(&external->kind, kind_of(version));
	external_stay(external); /* kedged may have left another one before it started */
	autofree char *number = string_printf("%.60s",
		value_string(value_get(version, "Version")) ? value_string(value_get(version, "Version")) : "");
	string_replace(&external->version, string_empty(number) ? NULL : number);
	if (string_equal(value_string(value_path(version, "Platform.Name")), "kedge"))
		external->greeting = ask(external, "/info", DOCUMENT_MAX, ANSWER_NS, on_info);
	else
		follow_events(external);
}

/* ---- where is it? ---- */

static void connect_to(void *arg)
{
	ExternalEngine *external = arg;
	Error *error = parse_url(&external->address, external, external->url);

	if (error) {
		error = error_wrap(error, "field \"engine.url\"");
		autofree char *problem = error_text(error);
		error_free(error);
		set_state(external, EXTERNAL_NONE, problem);
		return;
	}
	if (external->state == EXTERNAL_NONE)
		set_state(external, EXTERNAL_CONNECTING, NULL);
	external->greeting = ask(external, "/version", DOCUMENT_MAX, ANSWER_NS, on_version);
}

static void forget_all(ExternalEngine *external)
{
	list_each(&external->containers, ExternalContainer, in_external, container)
		external_container_forget(container);
}

static void set_url(ExternalEngine *external, const char *url)
{
	hang_up(external);
	forget_all(external);
	string_replace(&external->url, string_empty(url) ? NULL : url);
	string_replace(&external->kind, NULL);
	string_replace(&external->version, NULL);
	external_stay(external);
	external->backoff_ns = BACKOFF_FIRST_NS;
	set_state(external, EXTERNAL_NONE, NULL);
	external_wait_call(external);
	if (external->url)
		source_rearm(external->again, 0);
}

/* Other options, or another policy. */
static void on_policy(void *arg)
{
	ExternalEngine *external = arg;
	const char *url = service_file_options(external->service)->engine_url;

	if (!string_equal(url, external->url))
		set_url(external, url);
	else
		external_pass(external, true);
}

static void on_regular(void *arg)
{
	ExternalEngine *external = arg;

	external->backoff_ns = BACKOFF_FIRST_NS; /* it has lasted */
	external_pass(external, true);
}

/* ---- life ---- */

ExternalEngine *external_engine_new(Engine *engine, const ServiceFile *service, const StringList *own_sockets)
{
	ExternalEngine *external = mem_new(ExternalEngine);
	Loop *loop = engine_loop(engine);

	external->engine = engine;
	external->service = service;
	external->loop = loop;
	external->by_id = table_new();
	external->pending = table_new();
	strings_copy(&external->own_sockets, own_sockets);
	list_init(&external->containers);
	list_init(&external->looks.waiting);
	list_init(&external->retries.waiting);
	list_init(&external->waits);
	return external;
}

fallible external_engine_start(ExternalEngine *external)
{
	Loop *loop = external->loop;

	TRY(loop_timer(&external->again, loop, -1, connect_to, external));
	TRY(loop_timer(&external->regular, loop, -1, on_regular, external));
	TRY(loop_timer(&external->soon, loop, -1, on_soon, external));
	TRY(loop_timer(&external->tell, loop, -1, tell, external));
	external_recall(external);
	engine_on_policy(external->engine, on_policy, external);
	set_url(external, service_file_options(external->service)->engine_url);
	return NULL;
}

static void forget_pending(ExternalEngine *external)
{
	const char *id;
	void *removal;

	for (size_t cursor = 0; table_next(external->pending, &cursor, &id, &removal);) {
		removal_clear(removal);
		free(removal);
	}
	table_free(external->pending);
}

ExternalEngine *external_engine_free(ExternalEngine *external)
{
	if (!external)
		return NULL;
	engine_on_policy(external->engine, NULL, NULL);
	if (external->url)
		hang_up(external);
	forget_all(external);
	forget_pending(external);
	table_free(external->by_id);
	source_free(external->again);
	source_free(external->regular);
	source_free(external->soon);
	source_free(external->tell);
	strings_clear(&external->own_sockets);
	free(external->url);
	free(external->problem);
	free(external->kind);
	free(external->version);
	free(external);
	return NULL;
}

/* ---- what others see ---- */

void external_engine_status(ExternalStatus *ret, const ExternalEngine *external)
{
	*ret = (ExternalStatus){
		.url = external->url,
		.state = external->state,
		.problem = external->problem,
		.kind = external->kind,
		.version = external->version,
	};
}

void external_engine_each(const ExternalEngine *external, void (*visit)(void *arg, const ExternalView *view), void *arg)
{
	list_each(&external->containers, ExternalContainer, in_external, container) {
		autoclear(Verdict) verdict = {0};
		external_judge_container(&verdict, container, engine_policy(external->engine));
		const ExternalView view = {
			.listed = &container->listed,
			.facts = &container->facts,
			.is_allowed = !verdict.rule,
			.reason = verdict.reason,
		};
		visit(arg, &view);
	}
}
