// SPDX-License-Identifier: Apache-2.0
/* A configuration that is accepted has a program's name for each plugin, and can be told to it. */
#include <string.h>

#include "cni/request.h"

#include "fuzz.h"

static void try_plugin(const CniNetwork *network, size_t index)
{
	static const CniPort port = {.host_port = 80, .container_port = 80};
	CniAttachment attachment = {.ports = {(void *)&port, 1}, .bandwidth = {1, 1}};
	autoptr(Value) document = NULL;

	must_hold(cni_network_type(network, index) && !strchr(cni_network_type(network, index), '/'));
	autofree char *text = cni_request_write(network, index, &attachment, NULL);
	Error *error = value_parse(&document, text, strlen(text));
	must_hold(!error && !value_get(document, "capabilities"));
	must_hold(value_path(document, "runtimeConfig.bandwidth") == NULL ||
		  cni_plugin_can(cni_network_plugin(network, index), "bandwidth"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(CniNetwork) network = NULL;
	Error *error = cni_network_parse(&network, "file", (const char *)data, size);

	must_hold(!error == (network != NULL));
	error_free(error);
	if (!network)
		return 0;
	must_hold(network->plugin_count > 0 && network->plugin_count <= CNI_PLUGINS_MAX);
	for (size_t i = 0; i < network->plugin_count; i++)
		try_plugin(network, i);
	return 0;
}
