// SPDX-License-Identifier: Apache-2.0
/* POST /containers/{id}/update. Source: moby api/swagger.yaml, ContainerUpdate: members that are 0 or "" stay as they
 * are. */
#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "docker/internal.h"
#include "docker/spec.h"

typedef struct UpdateBody {
	ContainerUpdate update;
	Value *pids_limit;
	char *restart_name;
	int64_t restart_max;
} UpdateBody;

/* clang-format off */
#define LIMIT(key, type, member) { .name = (key), .kind = (type), .offset = offsetof(UpdateBody, update.limits.member) }

static const Field restart_fields[] = {
	{ .name = "Name", .kind = FIELD_STRING, .offset = offsetof(UpdateBody, restart_name) },
	{ .name = "MaximumRetryCount", .kind = FIELD_INT, .offset = offsetof(UpdateBody, restart_max), .max = INT32_MAX },
	FIELDS_END,
};
static const Field update_fields[] = {
	LIMIT("Memory", FIELD_INT, memory),
	LIMIT("MemoryReservation", FIELD_INT, memory_reservation),
	LIMIT("MemorySwap", FIELD_INT, memory_swap),
	LIMIT("NanoCpus", FIELD_INT, nano_cpus),
	LIMIT("CpuShares", FIELD_INT, cpu_shares),
	LIMIT("CpuPeriod", FIELD_INT, cpu_period),
	LIMIT("CpuQuota", FIELD_INT, cpu_quota),
	LIMIT("CpusetCpus", FIELD_STRING, cpuset_cpus),
	LIMIT("CpusetMems", FIELD_STRING, cpuset_mems),
	LIMIT("BlkioWeight", FIELD_INT, blkio_weight),
	{ .name = "PidsLimit", .kind = FIELD_VALUE, .offset = offsetof(UpdateBody, pids_limit) },
	{ .name = "RestartPolicy", .kind = FIELD_OBJECT, .sub = restart_fields },
	FIELDS_END,
};
/* clang-format on */

static void body_clear(UpdateBody *body)
{
	fields_clear(update_fields, body);
}
DEFINE_AUTOCLEAR(UpdateBody, body_clear)

/* What Docker's clients can ask for and a running container does not get. */
static fallible refuse_others(const Value *value)
{
	static const char *const names[] = {"KernelMemory", "KernelMemoryTCP", "CpuRealtimePeriod",
		"CpuRealtimeRuntime", "Devices", "DeviceCgroupRules", "DeviceRequests", "Ulimits", "OomKillDisable",
		"BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
		"BlkioDeviceWriteIOps", "CgroupParent"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!spec_asks_for_nothing(value_get(value, names[i]), NULL))
			return error_new(ERROR_UNSUPPORTED, "field \"%s\" cannot be updated", names[i]);
	return NULL;
}

static fallible read_pids_limit(UpdateBody *body)
{
	if (value_is_null(body->pids_limit))
		return NULL;
	if (!value_is_number(body->pids_limit))
		return error_new(ERROR_INVALID, "field \"PidsLimit\" must be a number, not %s",
			value_kind_name(body->pids_limit));
	body->update.limits.pids_limit = value_int(body->pids_limit, 0);
	body->update.has_pids_limit = true;
	return NULL;
}

static fallible read_update(UpdateBody *body, HttpRequest *request)
{
	autoptr(Value) value = NULL;

	TRY(request_object(&value, request));
	TRY(refuse_others(value));
	TRY(fields_read(update_fields, body, value, 0));
	TRY(read_pids_limit(body));
	body->update.has_restart_policy = !string_empty(body->restart_name);
	return spec_read_restart(&body->update.limits, body->restart_name, body->restart_max);
}

/* ---- the call: answered when the engine is done ---- */

static void call_gone(void *arg)
{
	*(HttpRequest **)arg = NULL; /* the work goes on */
}

static void respond_warnings(HttpRequest *request, const StringList *warnings)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_strings(&writer, "Warnings", warnings);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void update_done(void *arg, Error *take_error, const StringList *warnings)
{
	autofree HttpRequest **call = arg;

	if (*call && take_error)
		http_respond_error(*call, take_error);
	else if (*call)
		respond_warnings(*call, warnings);
	else
		error_free(take_error); /* who asked has left; nothing has changed */
}

static fallible update(HttpRequest *request, Container *container)
{
	autoclear(UpdateBody) body = {0};
	autofree HttpRequest **call = mem_new(HttpRequest *);

	*call = request;
	TRY(read_update(&body, request));
	TRY(container_update(container, &body.update, update_done, call));
	http_request_on_gone(request, call_gone, take(call));
	return NULL;
}

static void update_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	Error *error = container ? update(request, container) : NULL;

	if (error)
		http_respond_error(request, error);
}

const HttpRoute update_routes[] = {
	{"POST", "/containers/{id}/update", update_container, 0, 0},
	{0},
};
