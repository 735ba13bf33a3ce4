// SPDX-License-Identifier: Apache-2.0
#include "docker/container_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/container_sizes.h"
#include "docker/filters.h"
#include "docker/internal.h"
#include "docker/network.h"
#include "docker/spec.h"
#include "engine/image.h"

static const char *const filter_names[] = {"id", "name", "label", "label!", "status", "network", "volume", "ancestor",
	"exited", "health", "before", "since", "publish", "expose", "is-task", "isolation", NULL};

enum { SUMMARY_TYPICAL = 800 }; /* bytes: the list mostly grows no further */

typedef struct ListQuery {
	Filters filters;
	StringList ids;       /* of the containers that "id" names */
	StringList ancestors; /* ids of the images that "ancestor" names */
	int64_t limit;        /* 0: none */
	bool all;
	int64_t before_ns, since_ns; /* creation times of the containers named; 0: not given */
} ListQuery;

static void list_query_clear(ListQuery *query)
{
	filters_clear(&query->filters);
	strings_clear(&query->ids);
	strings_clear(&query->ancestors);
}
DEFINE_AUTOCLEAR(ListQuery, list_query_clear)

/* ---- the query ---- */

static fallible check_words(const Filters *filters, const char *name, const char *const *words)
{
	const StringList *values = filters_values(filters, name);

	for (size_t i = 0; values && i < values->count; i++) {
		const char *const *word = words;
		while (*word && !string_equal(*word, values->items[i]))
			word++;
		if (!*word)
			return error_new(ERROR_INVALID, "invalid filter '%s=%.64s'", name, values->items[i]);
	}
	return NULL;
}

/* As docker has it: the beginning of one container's id, and of no other's. */
static const char *id_of(const char *prefix, Container *const *containers, size_t count)
{
	const char *found = NULL;
	ContainerView view;

	for (size_t i = 0; i < count; i++) {
		container_view(containers[i], &view);
		if (!string_starts(view.id, prefix))
			continue;
		if (found)
			return NULL;
		found = view.id;
	}
	return found;
}

static void read_ids(ListQuery *query, Engine *engine)
{
	const StringList *values = filters_values(&query->filters, "id");
	autofree Container **containers = NULL;
	size_t count = values ? container_list(&containers, engine) : 0;

	for (size_t i = 0; values && i < values->count; i++) {
		const char *id = id_of(values->items[i], containers, count);
		if (id)
			strings_add(&query->ids, id);
	}
}

static fallible read_ancestors(ListQuery *query, Engine *engine)
{
	const StringList *values = filters_values(&query->filters, "ancestor");

	for (size_t i = 0; values && i < values->count; i++) {
		autoptr(Image) image = NULL;
		Error *error = image_lookup(&image, engine, values->items[i]);
		if (error && error_kind(error) != ERROR_NOT_FOUND && error_kind(error) != ERROR_INVALID)
			return error;
		error_free(error); /* no container is made of an image that is not there */
		strings_add(&query->ancestors, image ? image->id.text : "none");
	}
	return NULL;
}

static fallible read_bound(int64_t *ret_ns, const ListQuery *query, Engine *engine, const char *name)
{
	const StringList *values = filters_values(&query->filters, name);
	Container *container;
	ContainerView view;

	if (!values)
		return NULL;
	TRY(container_find(&container, engine, values->items[0]));
	container_view(container, &view);
	*ret_ns = view.created_ns;
	return NULL;
}

static fallible check_exit_codes(const Filters *filters)
{
	const StringList *values = filters_values(filters, "exited");
	int64_t code;

	for (size_t i = 0; values && i < values->count; i++)
		TRY_WRAP(string_to_int64(&code, values->items[i], 0, 255), "filter \"exited\"");
	return NULL;
}

/* "80", "80/udp" or "8000-8010/tcp"; without a protocol it is tcp. */
typedef struct PortRange {
	int64_t first, last;
	int protocol;
} PortRange;

static fallible read_port_range(PortRange *ret, const char *name, const char *text)
{
	size_t length = strcspn(text, "/"), dash = strcspn(text, "-");
	autofree char *last = mem_strndup(text, length), *first = mem_strndup(text, dash < length ? dash : length);
	PortRange range = {0};

	range.protocol = text[length] ? names_find(protocol_names, PROTOCOLS, text + length + 1) : PROTOCOL_TCP;
	if (range.protocol < 0)
		return error_new(ERROR_INVALID, "invalid filter '%s=%.64s': unknown protocol", name, text);
	TRY_WRAP(string_to_int64(&range.first, first, 0, 65535), "invalid filter '%s=%.64s'", name, text);
	TRY_WRAP(string_to_int64(&range.last, dash < length ? last + dash + 1 : last, range.first, 65535),
		"invalid filter '%s=%.64s'", name, text);
	*ret = range;
	return NULL;
}

static fallible check_ports(const Filters *filters, const char *name)
{
	const StringList *values = filters_values(filters, name);
	PortRange range;

	for (size_t i = 0; values && i < values->count; i++)
		TRY(read_port_range(&range, name, values->items[i]));
	return NULL;
}

static fallible check_flag(const Filters *filters, const char *name)
{
	bool given, value;

	return filters_bool(filters, name, &given, &value);
}

static fallible read_filters(ListQuery *query, Engine *engine, const HttpRequest *request)
{
	static const char *const states[] = {
		"created", "restarting", "running", "removing", "paused", "exited", "dead", NULL};
	static const char *const healths[] = {"none", "starting", "healthy", "unhealthy", NULL};

	TRY(filters_read(&query->filters, request, filter_names));
	TRY(check_words(&query->filters, "status", states));
	TRY(check_words(&query->filters, "health", healths));
	TRY(check_exit_codes(&query->filters));
	TRY(check_ports(&query->filters, "publish"));
	TRY(check_ports(&query->filters, "expose"));
	TRY(check_flag(&query->filters, "is-task"));
	read_ids(query, engine);
	TRY(read_ancestors(query, engine));
	TRY(read_bound(&query->before_ns, query, engine, "before"));
	return read_bound(&query->since_ns, query, engine, "since");
}

static fallible read_list_query(ListQuery *query, Engine *engine, const HttpRequest *request)
{
	TRY(read_filters(query, engine, request));
	TRY(request_int(&query->limit, request, "limit", 0));
	query->limit = query->limit > 0 ? query->limit : 0;
	/* Whoever asks for a number, a state or an exit code wants those that do not run, too. */
	query->all = http_request_flag(request, "all") || query->limit || filters_values(&query->filters, "status") ||
		     filters_values(&query->filters, "exited") || query->before_ns || query->since_ns;
	return NULL;
}

/* ---- what fits ---- */

static bool fits_name(const Filters *filters, const ContainerView *view)
{
	autofree char *with_slash = NULL;

	if (!filters_values(filters, "name"))
		return true;
	with_slash = string_printf("/%s", view->name);
	return filters_pattern(filters, "name", view->name) || filters_pattern(filters, "name", with_slash);
}

static bool fits_exit(const Filters *filters, const Container *container, const ContainerView *view)
{
	autofree char *code = NULL;

	if (!filters_values(filters, "exited"))
		return true;
	code = string_printf("%d", view->exit_code);
	return !container_is_live(container) && view->started_ns != 0 && filters_exact(filters, "exited", code);
}

static bool fits_volume(const Filters *filters, const ContainerSpec *spec)
{
	const MountSpec *mounts = spec->mounts.items;

	if (!filters_values(filters, "volume"))
		return true;
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (filters_exact(filters, "volume", mounts[i].target) ||
			(mounts[i].source && filters_exact(filters, "volume", mounts[i].source)))
			return true;
	return false;
}

static bool fits_network(const Filters *filters, const DockerApi *api, const Container *container)
{
	const StringList *wanted = filters_values(filters, "network");

	for (size_t i = 0; wanted && i < wanted->count; i++)
		if (container_is_on(api, container, wanted->items[i]))
			return true;
	return !wanted;
}

static bool is_in(const char *wanted, int64_t first, int64_t last, int protocol)
{
	PortRange range;
	Error *error = read_port_range(&range, "publish", wanted);

	if (error)
		return error_free(error); /* the query was checked */
	return range.protocol == protocol && first >= range.first && last <= range.last;
}

static bool exposes(const ContainerSpec *spec, const char *wanted)
{
	const PortSpec *ports = spec->ports.items;

	for (size_t i = 0; i < spec->exposed_ports.count; i++) {
		PortRange port;
		Error *error = read_port_range(&port, "expose", spec->exposed_ports.items[i]);
		if (!error && is_in(wanted, port.first, port.last, port.protocol))
			return true;
		error_free(error); /* a container's port that is none fits nothing */
	}
	for (size_t i = 0; i < spec->ports.count; i++)
		if (is_in(wanted, ports[i].port, ports[i].port, ports[i].protocol))
			return true;
	return false;
}

static bool fits_expose(const Filters *filters, const ContainerSpec *spec)
{
	const StringList *wanted = filters_values(filters, "expose");

	for (size_t i = 0; wanted && i < wanted->count; i++)
		if (exposes(spec, wanted->items[i]))
			return true;
	return !wanted;
}

/* By the number at the host, as Docker has it. */
static bool publishes(const Container *container, const char *wanted)
{
	size_t count;
	const PortBinding *ports = container_ports(container, &count);

	for (size_t i = 0; i < count; i++)
		if (is_in(wanted, ports[i].host_port, ports[i].host_port, ports[i].protocol))
			return true;
	return false;
}

static bool fits_publish(const Filters *filters, const Container *container)
{
	const StringList *wanted = filters_values(filters, "publish");

	for (size_t i = 0; wanted && i < wanted->count; i++)
		if (publishes(container, wanted->items[i]))
			return true;
	return !wanted;
}

/* There are no swarms, and no tasks. */
static bool is_no_task(const Filters *filters)
{
	return filters_exact(filters, "is-task", "false") || filters_exact(filters, "is-task", "0");
}

static bool fits_filters(
	const ListQuery *query, const DockerApi *api, const Container *container, const ContainerView *view)
{
	const Filters *filters = &query->filters;

	if (filters->count == 0)
		return true;
	return (!filters_values(filters, "id") || strings_has(&query->ids, view->id)) && fits_name(filters, view) &&
	       filters_labels(filters, &view->spec->labels) &&
	       filters_exact(filters, "status", container_state_name(view->state)) &&
	       filters_exact(filters, "health", health_state_name(view->health)) && is_no_task(filters) &&
	       (query->ancestors.count == 0 || strings_has(&query->ancestors, view->image_id)) &&
	       fits_exit(filters, container, view) && fits_volume(filters, view->spec) &&
	       fits_network(filters, api, container) && fits_expose(filters, view->spec) &&
	       fits_publish(filters, container) && (query->before_ns == 0 || view->created_ns < query->before_ns) &&
	       (query->since_ns == 0 || view->created_ns > query->since_ns);
}

/* ---- one container ---- */

/* The command as one line; what has spaces is quoted, as Docker does. */
static void write_command(Writer *writer, const ContainerSpec *spec)
{
	const StringList *parts[] = {&spec->entrypoint, &spec->command};
	autoclear(Buffer) line = {0};

	for (size_t part = 0; part < 2; part++) {
		for (size_t i = 0; i < parts[part]->count; i++) {
			const char *word = parts[part]->items[i];
			const char *quote = line.length > 0 && strchr(word, ' ') ? "'" : "";
			buffer_add_text(&line, line.length > 0 ? " " : "");
			buffer_add_text(&line, quote);
			buffer_add_text(&line, word);
			buffer_add_text(&line, quote);
		}
	}
	write_string(writer, "Command", buffer_text(&line));
}

static const char *health_words(HealthState health)
{
	static const char *const words[HEALTH_STATES] = {
		[HEALTH_NONE] = "",
		[HEALTH_STARTING] = " (health: starting)",
		[HEALTH_HEALTHY] = " (healthy)",
		[HEALTH_UNHEALTHY] = " (unhealthy)",
	};

	return words[health];
}

static void write_end(Writer *writer, const char *word, const ContainerView *view)
{
	char age[CLOCK_TEXT_MAX];

	clock_format_age(age, clock_wall_ns() - view->finished_ns);
	write_stringf(writer, "Status", "%s (%d) %s ago", word, view->exit_code, age);
}

/* "Up 3 minutes (healthy)", "Exited (0) 2 hours ago" */
static void write_status(Writer *writer, const Container *container, const ContainerView *view)
{
	char up[CLOCK_TEXT_MAX];

	if (container_is_live(container)) {
		clock_format_age(up, view->up_ns);
		write_stringf(writer, "Status", "Up %s%s", up,
			view->state == CONTAINER_PAUSED ? " (Paused)" : health_words(view->health));
	} else if (view->state == CONTAINER_RESTARTING) {
		write_end(writer, "Restarting", view);
	} else if (view->state == CONTAINER_REMOVING) {
		write_string(writer, "Status", "Removal In Progress");
	} else if (view->state == CONTAINER_DEAD) {
		write_string(writer, "Status", "Dead");
	} else if (view->finished_ns == 0) {
		write_string(writer, "Status", "Created");
	} else {
		write_end(writer, "Exited", view);
	}
}

static void write_summary(Writer *writer, const DockerApi *api, const Container *container, const ContainerView *view,
	const ContainerSizes *sizes)
{
	write_object(writer, NULL);
	write_string(writer, "Id", view->id);
	write_array(writer, "Names");
	write_stringf(writer, NULL, "/%s", view->name);
	write_array_end(writer);
	write_string(writer, "Image", view->spec->image);
	write_string(writer, "ImageID", view->image_id);
	write_command(writer, view->spec);
	write_int(writer, "Created", view->created_ns / NANOS_PER_SECOND);
	write_ports_listed(writer, container);
	write_container_sizes(writer, container, sizes);
	write_map(writer, "Labels", &view->spec->labels);
	write_string(writer, "State", container_state_name(view->state));
	write_status(writer, container, view);
	write_object(writer, "HostConfig");
	write_string(writer, "NetworkMode", network_mode_shown(view->spec));
	write_object_end(writer);
	write_network_settings_short(writer, api, container);
	write_mounts(writer, view);
	write_object_end(writer);
}

void write_container_summary(
	Writer *writer, const DockerApi *api, const Container *container, const ContainerSizes *sizes)
{
	ContainerView view;

	container_view(container, &view);
	write_summary(writer, api, container, &view, sizes);
}

/* ---- the answer ---- */

static void make_list(Buffer *out, const DockerApi *api, const ListQuery *query, const ContainerSizes *sizes)
{
	Container **list;
	size_t count = container_list(&list, api->engine);
	int64_t left = query->limit ? query->limit : INT64_MAX;
	ContainerView view;
	Writer writer;

	buffer_reserve(out, count * SUMMARY_TYPICAL);
	writer_init(&writer, out);
	write_array(&writer, NULL);
	for (size_t i = 0; i < count && left > 0; i++) {
		container_view(list[i], &view);
		if (!query->all && !container_is_live(list[i]) && view.state != CONTAINER_RESTARTING)
			continue;
		if (!fits_filters(query, api, list[i], &view))
			continue;
		write_summary(&writer, api, list[i], &view, sizes);
		left--;
	}
	write_array_end(&writer);
	free(list);
}

/* sizes: NULL when they were not asked for. */
static void respond_list(HttpRequest *request, void *context, const ContainerSizes *sizes)
{
	autoclear(ListQuery) query = {0};
	autoclear(Buffer) out = {0};
	Error *error = read_list_query(&query, docker_engine(context), request);

	if (error) {
		http_respond_error(request, error);
		return;
	}
	make_list(&out, context, &query, sizes);
	respond_json(request, 200, &out);
}

static void list_with_sizes(HttpRequest *request, void *context)
{
	Container **list;
	size_t count = container_list(&list, docker_engine(context));

	container_sizes_measure(request, context, list, count, respond_list);
	free(list);
}

void list_containers(HttpRequest *request, void *context)
{
	if (http_request_flag(request, "size"))
		list_with_sizes(request, context);
	else
		respond_list(request, context, NULL);
}
