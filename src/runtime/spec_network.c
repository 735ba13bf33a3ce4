// SPDX-License-Identifier: Apache-2.0
#include "runtime/spec_network.h"

#include <string.h>

#include "base/memory.h"

const char *const protocol_names[PROTOCOLS] = {
	[PROTOCOL_TCP] = "tcp",
	[PROTOCOL_UDP] = "udp",
	[PROTOCOL_SCTP] = "sctp",
};

#define AT(member) .offset = offsetof(OWNER, member)

#define OWNER EndpointSpec
const Field endpoint_spec_fields[] = {
	{"network", FIELD_STRING, AT(network), .required = true},
	{"aliases", FIELD_STRINGS, AT(aliases), .omit_empty = true},
	{"links", FIELD_STRINGS, AT(links), .omit_empty = true},
	{"ipv4", FIELD_STRING, AT(ipv4), .omit_empty = true},
	{"ipv6", FIELD_STRING, AT(ipv6), .omit_empty = true},
	{"linkLocal", FIELD_STRINGS, AT(link_local), .omit_empty = true},
	{"mac", FIELD_STRING, AT(mac), .omit_empty = true},
	{"options", FIELD_MAP, AT(options), .omit_empty = true},
	{"priority", FIELD_INT, AT(priority), .omit_empty = true},
	FIELDS_END,
};
#undef OWNER

#define OWNER PortSpec
const Field port_spec_fields[] = {
	{"port", FIELD_INT, AT(port), .min = 1, .max = UINT16_MAX, .required = true},
	{"protocol", FIELD_ENUM, AT(protocol), .names = protocol_names, .name_count = PROTOCOLS},
	{"hostAddress", FIELD_STRING, AT(host_address), .omit_empty = true},
	{"hostPort", FIELD_INT, AT(host_port), .max = UINT16_MAX, .omit_empty = true},
	{"hostPortEnd", FIELD_INT, AT(host_port_end), .max = UINT16_MAX, .omit_empty = true},
	FIELDS_END,
};
#undef OWNER

fallible port_parse(int64_t *ret_port, int *ret_protocol, const char *text)
{
	size_t length = strcspn(text, "/");
	autofree char *number = mem_strndup(text, length);
	int protocol = text[length] ? names_find(protocol_names, PROTOCOLS, text + length + 1) : PROTOCOL_TCP;
	int64_t port;

	if (protocol < 0)
		return error_new(ERROR_INVALID, "invalid proto: %.64s", text + length + 1);
	TRY_WRAP(string_to_int64(&port, number, 1, UINT16_MAX), "invalid containerPort: %.64s", text);
	*ret_port = port;
	*ret_protocol = protocol;
	return NULL;
}
