// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where a device's owner writes down what is to run, and where the key is that seals passwords. */
#include "json/fields.h"

typedef struct DeviceConfig {
	char *containers_dir; /* /etc/kedge/containers.d */
	char *seal_key_file;  /* /etc/kedge/seal.key */
} DeviceConfig;

extern const Field device_config_fields[];
void device_config_init(DeviceConfig *config); /* defaults */
void device_config_clear(DeviceConfig *config);
fallible device_config_check(const DeviceConfig *config);
