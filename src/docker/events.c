// SPDX-License-Identifier: Apache-2.0
/* /events: what happened and happens, a JSON object a line. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "docker/filters.h"
#include "docker/internal.h"
#include "engine/event.h"

enum {
	PENDING_MAX = 1 << 20, /* a client that reads slower is let go: it would hold up nothing but our memory */
	FROM_THE_FIRST = 1,    /* a time that no event is before */
};

typedef struct EventStream {
	HttpStream *stream;
	EventSubscription *subscription;
	Source *end;
	Filters filters;
	int64_t until_ns; /* wall clock, what the client asked for; 0: no end */
	int64_t end_ns;   /* monotonic: when that comes */
} EventStream;

static const char *const filter_names[] = {
	"type",
	"container",
	"image",
	"event",
	"label",
	"id",
	"scope",
	"daemon",
	"network",
	"volume",
	"plugin",
	"service",
	"node",
	"secret",
	"config",
	NULL,
};

/* ---- filters ---- */

/* "container=x" fits events of containers by name or by the beginning of their id; so do the others. */
static bool fits_object(const Filters *filters, const char *type, const Event *event)
{
	const StringList *values = filters_values(filters, type);
	const char *name = map_get(&event->attributes, "name");

	if (!values)
		return true;
	if (!string_equal(event->type, type))
		return false;
	for (size_t i = 0; i < values->count; i++)
		if (string_equal(values->items[i], name) || string_starts(event->id, values->items[i]))
			return true;
	return false;
}

/* "image=x" fits events of images and of containers made from them, with and without tag. */
static bool fits_image(const Filters *filters, const Event *event)
{
	const StringList *values = filters_values(filters, "image");
	bool is_image = string_equal(event->type, "image");
	const char *name = map_get(&event->attributes, is_image ? "name" : "image");
	autofree char *bare = name ? mem_strdup(name) : NULL;
	char *colon = bare ? strrchr(bare, ':') : NULL;

	if (!values)
		return true;
	if (colon && !strchr(colon, '/'))
		*colon = '\0';
	return strings_has(values, is_image ? event->id : "") ||
	       (name && (strings_has(values, name) || strings_has(values, bare)));
}

/* "event=health_status" fits "health_status: healthy" too. */
static bool fits_action(const Filters *filters, const Event *event)
{
	autofree char *head = mem_strndup(event->action, strcspn(event->action, ":"));

	return filters_exact(filters, "event", event->action) || filters_exact(filters, "event", head);
}

static bool event_fits(const Filters *filters, const Event *event)
{
	static const char *const types[] = {
		"container", "daemon", "network", "volume", "plugin", "service", "node", "secret", "config"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!fits_object(filters, types[i], event))
			return false;
	return filters_exact(filters, "type", event->type) && filters_exact(filters, "id", event->id) &&
	       filters_exact(filters, "scope", "local") && fits_action(filters, event) && fits_image(filters, event) &&
	       filters_labels(filters, &event->attributes);
}

/* ---- writing ---- */

/* Before there was "Type", events had these alone; many clients still read them. */
static void write_legacy(Writer *writer, const Event *event)
{
	bool is_container = string_equal(event->type, "container");
	const char *image = map_get(&event->attributes, "image");

	if (!is_container && !string_equal(event->type, "image"))
		return;
	write_string(writer, "status", event->action);
	write_string(writer, "id", event->id);
	if (is_container && image)
		write_string(writer, "from", image);
}

static void write_event(Buffer *out, const Event *event)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_legacy(&writer, event);
	write_string(&writer, "Type", event->type);
	write_string(&writer, "Action", event->action);
	write_object(&writer, "Actor");
	write_string(&writer, "ID", event->id);
	write_map(&writer, "Attributes", &event->attributes);
	write_object_end(&writer);
	write_string(&writer, "scope", "local");
	write_int(&writer, "time", event->wall_ns / NANOS_PER_SECOND);
	write_int(&writer, "timeNano", event->wall_ns);
	write_object_end(&writer);
	buffer_add_char(out, '\n');
}

/* ---- the stream ---- */

static void stream_free(void *arg)
{
	EventStream *events = arg;

	events_unsubscribe(events->subscription);
	source_free(events->end);
	filters_clear(&events->filters);
	free(events);
}

static void stream_end(void *arg)
{
	EventStream *events = arg;

	http_stream_end(events->stream);
	stream_free(events);
}

/* Not at the end that it would wait for: who does not read is cut, and can tell by the missing last chunk. */
static void stream_cut(EventStream *events)
{
	log_warning("a client of /events did not read for too long");
	http_stream_break(events->stream);
	stream_free(events);
}

static void send_event(EventStream *events, const Event *event)
{
	autoclear(Buffer) line = {0};

	if (!event_fits(&events->filters, event))
		return;
	write_event(&line, event);
	http_stream_write(events->stream, line.data, line.length);
}

static void on_kept(void *arg, const Event *event)
{
	const EventStream *events = arg;

	if (!events->until_ns || event->wall_ns <= events->until_ns)
		send_event(arg, event);
}

static void on_event(void *arg, const Event *event)
{
	EventStream *events = arg;

	if (events->until_ns && clock_monotonic_ns() > events->end_ns)
		return;
	send_event(events, event);
	if (http_stream_pending(events->stream) > PENDING_MAX)
		stream_cut(events);
}

/* All that the next program has kept by then happened after this. An earlier one takes it for a time. */
static void carry(void *arg, HttpCarry *ret)
{
	(void)arg;
	buffer_printf(&ret->cursor, "%d", (int)FROM_THE_FIRST);
}

/* From when on kept events are told; 0: none. */
static fallible read_begin(int64_t *ret_ns, HttpRequest *request)
{
	if (!http_request_carried(request))
		return request_time(ret_ns, request, "since");
	*ret_ns = FROM_THE_FIRST;
	return NULL;
}

static fallible schedule_end(EventStream *events, Engine *engine)
{
	int64_t left_ns = events->until_ns - clock_wall_ns();

	if (events->until_ns == 0)
		return NULL;
	events->end_ns = clock_monotonic_ns() + left_ns;
	return loop_timer(&events->end, engine_loop(engine), left_ns > 0 ? left_ns : 0, stream_end, events);
}

static fallible read_query(EventStream *events, int64_t *ret_since_ns, HttpRequest *request)
{
	TRY(filters_read(&events->filters, request, filter_names));
	TRY(read_begin(ret_since_ns, request));
	TRY(request_time(&events->until_ns, request, "until"));
	if (events->until_ns && *ret_since_ns > events->until_ns && !http_request_carried(request))
		return error_new(ERROR_INVALID, "`since` time (%s) cannot be after `until` time (%s)",
			http_request_query(request, "since"), http_request_query(request, "until"));
	return NULL;
}

static fallible open_stream(EventStream *events, Engine *engine, HttpRequest *request)
{
	int64_t since_ns = 0;

	TRY(read_query(events, &since_ns, request));
	TRY(schedule_end(events, engine));
	http_request_on_gone(request, stream_free, events);
	events->stream = http_respond_stream(request, 200, "application/json");
	http_stream_on_carry(events->stream, carry, events);
	if (since_ns)
		events_each_since(engine, since_ns, on_kept, events);
	events->subscription = events_follow(engine, on_event, events);
	return NULL;
}

static void events(HttpRequest *request, void *context)
{
	EventStream *stream = mem_new(EventStream);
	Error *error = open_stream(stream, docker_engine(context), request);

	if (!error)
		return;
	stream_free(stream);
	http_respond_error(request, error);
}

const HttpRoute event_routes[] = {
	{"GET", "/events", events, DOCKER_MONITOR, 0},
	{0},
};
