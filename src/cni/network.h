// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Networks that somebody has described as CNI configurations: files of a directory, "*.conflist" with a list of
 * plugins,
 * "*.conf" and "*.json" with one plugin. Source: Container Network Interface Specification 1.0.0, section 1; 0.3.0 to
 * 0.4.0 differ in results alone (cni/result.h).
 */
#include "json/value.h"

#include "base/strings.h"

enum { CNI_PLUGINS_MAX = 16, CNI_NETWORKS_MAX = 256, CNI_FILE_MAX = 256 << 10, CNI_NAME_MAX = 128 };

typedef struct CniNetwork {
	char *name, *version;
	char *file;          /* where it was read */
	bool disables_check; /* CHECK is never to be called */
	Value *list;         /* as a configuration list, also where the file has one plugin */
	size_t plugin_count;
} CniNetwork;

/* A list, or the configuration of one plugin. Errors name the field, not the file. */
fallible cni_network_parse(CniNetwork **ret, const char *file, const char *text, size_t length);
fallible cni_network_new(CniNetwork **ret, const char *file, const Value *document);
CniNetwork *cni_network_free(CniNetwork *network);
DEFINE_AUTOPTR(CniNetwork, cni_network_free)

const Value *cni_network_plugin(const CniNetwork *network, size_t index);
const char *cni_network_type(const CniNetwork *network, size_t index); /* the plugin's program */
/* One plugin of the list says that it takes "portMappings", "bandwidth", "ips", "mac", "aliases" or the like. */
bool cni_network_can(const CniNetwork *network, const char *capability);
bool cni_plugin_can(const Value *plugin, const char *capability);
/* From 0.4.0 on there is CHECK, and DEL is told the result of ADD. */
bool cni_network_has_check(const CniNetwork *network);

typedef struct CniNetworks {
	CniNetwork **items; /* in the order of the files' names */
	size_t count;
	StringList problems; /* why a file is no network: one line each, which names the file */
} CniNetworks;

/* One bad file spoils no other; of two with the same name the first counts. A directory that is not there has none. */
fallible cni_networks_read(CniNetworks *ret, const char *directory);
const CniNetwork *cni_networks_find(const CniNetworks *networks, const char *name); /* NULL: none */
void cni_networks_clear(CniNetworks *networks);
DEFINE_AUTOCLEAR(CniNetworks, cni_networks_clear)
