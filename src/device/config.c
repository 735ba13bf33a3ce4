// SPDX-License-Identifier: Apache-2.0
#include "device/config.h"

#include "base/memory.h"

const Field device_config_fields[] = {
	{.name = "containersDirectory", .kind = FIELD_STRING, .offset = offsetof(DeviceConfig, containers_dir)},
	{.name = "sealKeyFile", .kind = FIELD_STRING, .offset = offsetof(DeviceConfig, seal_key_file)},
	FIELDS_END,
};

void device_config_init(DeviceConfig *config)
{
	*config = (DeviceConfig){
		.containers_dir = mem_strdup("/etc/kedge/containers.d"),
		.seal_key_file = mem_strdup("/etc/kedge/seal.key"),
	};
}

void device_config_clear(DeviceConfig *config)
{
	fields_clear(device_config_fields, config);
}

fallible device_config_check(const DeviceConfig *config)
{
	for (const Field *field = device_config_fields; field->name; field++) {
		const char *path = *(char *const *)((const char *)config + field->offset);
		if (!path || *path != '/')
			return error_new(ERROR_INVALID, "field \"device.%s\": path \"%s\" is not absolute", field->name,
				path ? path : "");
	}
	return NULL;
}
