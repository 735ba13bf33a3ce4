// SPDX-License-Identifier: Apache-2.0
/* A specification that is accepted has devices with full names, and its edits can be added up. */
#include "base/words.h"
#include "runtime/cdi_spec.h"

#include "fuzz.h"

static void try_device(const CdiSpec *spec, const CdiDevice *device)
{
	autoclear(CdiEdits) edits = {0};
	autofree char *name = string_printf("%s=%s", spec->kind, device->name);
	const CdiHook *hooks;

	must_hold(device_word_is_cdi(name));
	cdi_edits_add(&edits, &spec->edits);
	cdi_edits_add(&edits, &device->edits);
	must_hold(edits.nodes.count == spec->edits.nodes.count + device->edits.nodes.count);
	hooks = edits.hooks.items;
	for (size_t i = 0; i < edits.hooks.count; i++)
		must_hold(hooks[i].path[0] == '/' && names_find(cdi_hook_names, CDI_HOOK_NAMES, hooks[i].name) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(CdiSpec) spec = {0};
	Error *error = cdi_spec_parse(&spec, (const char *)data, size);
	const CdiDevice *devices = spec.devices.items;

	must_hold(!error == (spec.kind != NULL));
	error_free(error);
	if (!spec.kind)
		return 0;
	must_hold(spec.devices.count > 0 && spec.devices.count <= CDI_DEVICES_MAX);
	for (size_t i = 0; i < spec.devices.count; i++)
		try_device(&spec, &devices[i]);
	return 0;
}
