// SPDX-License-Identifier: Apache-2.0
#include "tls/config.h"

#include "base/memory.h"
#include "tls/address.h"

enum { CONNECTIONS = 256 };

const Field tls_config_fields[] = {
	{.name = "listen",
		.kind = FIELD_STRINGS,
		.offset = offsetof(TlsConfig, listen),
		.max_count = TLS_ADDRESSES_MAX},
	{.name = "ca", .kind = FIELD_STRING, .offset = offsetof(TlsConfig, ca)},
	{.name = "cert", .kind = FIELD_STRING, .offset = offsetof(TlsConfig, cert)},
	{.name = "key", .kind = FIELD_STRING, .offset = offsetof(TlsConfig, key)},
	{.name = "crl", .kind = FIELD_STRING, .offset = offsetof(TlsConfig, crl)},
	{.name = "passwords", .kind = FIELD_STRING, .offset = offsetof(TlsConfig, passwords)},
	{.name = "user", .kind = FIELD_STRING, .offset = offsetof(TlsConfig, user)},
	{.name = "connections",
		.kind = FIELD_INT,
		.offset = offsetof(TlsConfig, connections),
		.min = 1,
		.max = TLS_CONNECTIONS_MAX},
	FIELDS_END,
};

void tls_config_init(TlsConfig *config)
{
	config->user = mem_strdup("nobody");
	config->connections = CONNECTIONS;
}

bool tls_config_is_on(const TlsConfig *config)
{
	return config->listen.count > 0;
}

bool tls_config_has_guests(const TlsConfig *config)
{
	return tls_config_is_on(config) && !string_empty(config->passwords);
}

static fallible check_file(const char *field, const char *path, bool is_required)
{
	if (string_empty(path))
		return is_required ? error_new(ERROR_INVALID,
					     "field \"tcp.%s\" is missing: there is no TCP without TLS", field)
				   : NULL;
	if (*path != '/')
		return error_new(ERROR_INVALID, "field \"tcp.%s\": path \"%s\" is not absolute", field, path);
	return NULL;
}

static fallible check_addresses(const StringList *listen)
{
	TcpAddress address;

	for (size_t i = 0; i < listen->count; i++) {
		TRY_WRAP(tcp_address_parse(&address, listen->items[i]), "field \"tcp.listen[%zu]\"", i);
		for (size_t j = 0; j < i; j++)
			if (string_equal(listen->items[i], listen->items[j]))
				return error_new(ERROR_INVALID, "field \"tcp.listen[%zu]\": \"%s\" is there twice", i,
					listen->items[i]);
	}
	return NULL;
}

fallible tls_config_check(const TlsConfig *config)
{
	bool is_on = tls_config_is_on(config);

	TRY(check_addresses(&config->listen));
	TRY(check_file("ca", config->ca, is_on));
	TRY(check_file("cert", config->cert, is_on));
	TRY(check_file("key", config->key, is_on));
	TRY(check_file("crl", config->crl, false));
	return check_file("passwords", config->passwords, false);
}
