// SPDX-License-Identifier: Apache-2.0
/* A stored container spec: whatever passes the checks gives a bundle that is JSON, and is stored as it was read. */
#include <string.h>

#include "base/files.h"
#include "runtime/bundle.h"

#include "fuzz.h"

static const CgroupLayout *layout(void)
{
	static CgroupLayout *made;

	if (!made)
		must_hold(!cgroup_layout_parse(&made, "35 31 0:32 / /none/memory rw - cgroup cgroup rw,memory\n"));
	return made;
}

static void check_round_trip(const ContainerSpec *spec)
{
	autoclear(Buffer) text = {0};
	autoclear(ContainerSpec) again;
	Writer writer;

	container_spec_init(&again);
	writer_init(&writer, &text);
	fields_write(container_spec_fields, spec, &writer, NULL);
	must_hold(!fields_read_text(container_spec_fields, &again, "again", text.data, text.length, FIELDS_STRICT));
	must_hold(fields_equal(container_spec_fields, spec, &again));
}

static void check_bundle(const ContainerSpec *spec)
{
	const UserIds user = {.home = "/"};
	const BundleInput input = {.id = "id",
		.spec = spec,
		.rootfs = "/r",
		.user = &user,
		.hostname = "h",
		.cgroup = "/c",
		.cgroups = layout()};
	autoclear(Buffer) text = {0};
	autoptr(Value) value = NULL;
	Error *error = bundle_write(&text, &input);

	if (error) {
		error_free(error); /* a device that is not there */
		return;
	}
	if (!spec->ulimits.count) /* "unlimited" is a number that our reader does not take */
		must_hold(!value_parse(&value, buffer_text(&text), text.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(ContainerSpec) spec;
	Error *error;

	container_spec_init(&spec);
	error = fields_read_text(container_spec_fields, &spec, "input", (const char *)data, size, 0);
	if (!error) {
		check_round_trip(&spec);
		error = container_spec_parse_binds(&spec);
	}
	if (!error)
		error = container_spec_check(&spec);
	if (!error)
		check_bundle(&spec);
	error_free(error);
	return 0;
}
