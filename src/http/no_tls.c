// SPDX-License-Identifier: Apache-2.0
/*
 * What stands for GnuTLS behind the static libmicrohttpd (docs/decisions/0010): this server speaks to unix sockets and
 * never asks for TLS, and the library with what it brings would cost 2 MB and 1.6 ms at each start. All that is called
 * is its initialization; anything else is a defect and ends the program.
 */
#include <stdlib.h>

int gnutls_global_init(void);
void gnutls_global_deinit(void);

/* Linked as data: the address of an allocator. */
extern void *(*gnutls_malloc)(size_t size);
void *(*gnutls_malloc)(size_t size) = malloc;

int gnutls_global_init(void)
{
	return 0; /* GNUTLS_E_SUCCESS */
}

void gnutls_global_deinit(void)
{
}

static void absent(void)
{
	abort();
}

#define ABSENT(name)                                                                                                   \
	void name(void);                                                                                               \
	__attribute__((alias("absent"))) void name(void)

ABSENT(gnutls_alpn_set_protocols);
ABSENT(gnutls_bye);
ABSENT(gnutls_certificate_allocate_credentials);
ABSENT(gnutls_certificate_free_credentials);
ABSENT(gnutls_certificate_server_set_request);
ABSENT(gnutls_certificate_set_dh_params);
ABSENT(gnutls_certificate_set_retrieve_function2);
ABSENT(gnutls_certificate_set_retrieve_function3);
ABSENT(gnutls_certificate_set_x509_key_mem);
ABSENT(gnutls_certificate_set_x509_key_mem2);
ABSENT(gnutls_certificate_set_x509_trust_mem);
ABSENT(gnutls_cipher_get);
ABSENT(gnutls_credentials_set);
ABSENT(gnutls_deinit);
ABSENT(gnutls_dh_params_deinit);
ABSENT(gnutls_dh_params_import_pkcs3);
ABSENT(gnutls_dh_params_init);
ABSENT(gnutls_handshake);
ABSENT(gnutls_init);
ABSENT(gnutls_priority_deinit);
ABSENT(gnutls_priority_init);
ABSENT(gnutls_priority_set);
ABSENT(gnutls_protocol_get_version);
ABSENT(gnutls_psk_allocate_server_credentials);
ABSENT(gnutls_psk_free_server_credentials);
ABSENT(gnutls_psk_set_server_credentials_function);
ABSENT(gnutls_record_check_pending);
ABSENT(gnutls_record_get_direction);
ABSENT(gnutls_record_recv);
ABSENT(gnutls_record_send);
ABSENT(gnutls_session_get_ptr);
ABSENT(gnutls_session_set_ptr);
ABSENT(gnutls_strerror);
ABSENT(gnutls_transport_set_int2);
