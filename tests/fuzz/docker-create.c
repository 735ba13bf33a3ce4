// SPDX-License-Identifier: Apache-2.0
/* The body of POST /containers/create: what is taken can be shown by inspect and be taken again. */
#include "docker/spec.h"

#include "fuzz.h"

static void check_shown(const ContainerSpec *spec)
{
	ContainerView view = {.default_runtime = "crun", .id = "0123456789abcdef", .spec = spec, .volumes = "/volumes"};
	autoclear(ContainerSpec) again = {0};
	autoclear(Buffer) text = {0};
	autoptr(Value) shown = NULL;
	Writer writer;

	writer_init(&writer, &text);
	write_object(&writer, NULL);
	write_config(&writer, &view);
	write_host_config(&writer, &view, 43);
	write_mounts(&writer, &view);
	write_object_end(&writer);
	must_hold(!value_parse(&shown, text.data, text.length));
	Value *body = value_ref(value_get(shown, "Config"));
	value_set(body, "HostConfig", value_ref(value_get(shown, "HostConfig")));
	error_free(spec_read(&again, body)); /* what a runtime would refuse may be refused here */
	value_free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(ContainerSpec) spec = {0};
	autoptr(Value) body = NULL;
	Error *error = value_parse(&body, (const char *)data, size);

	if (!error)
		error = spec_read(&spec, body);
	if (!error)
		error = container_spec_check(&spec); /* as the engine does: no two mounts at one place, for one */
	if (error)
		error_free(error);
	else
		check_shown(&spec);
	return 0;
}
