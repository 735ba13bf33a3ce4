// SPDX-License-Identifier: Apache-2.0
#include "tls/context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

DEFINE_AUTOPTR(BIO, BIO_free_all)
DEFINE_AUTOPTR(X509, X509_free)
DEFINE_AUTOPTR(X509_CRL, X509_CRL_free)
DEFINE_AUTOPTR(EVP_PKEY, EVP_PKEY_free)

void pems_clear(Pem pems[PEM_COUNT])
{
	for (size_t i = 0; i < PEM_COUNT; i++) {
		if (pems[i].text)
			explicit_bzero(pems[i].text, pems[i].length);
		free(take(pems[i].text));
	}
}

TlsContext *context_free(TlsContext *context)
{
	SSL_CTX_free(context);
	return NULL;
}

/* ---- errors ---- */

static const char *reason_of(const SSL *ssl, unsigned long code)
{
	long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
		return X509_verify_cert_error_string(verdict);
	return reason;
}

fallible tls_error(const SSL *ssl, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = reason_of(ssl, code);
	int number = code && ERR_SYSTEM_ERROR(code) ? ERR_GET_REASON(code) : 0;

	ERR_clear_error();
	if (number)
		return error_errno(number, "%s", what);
	return error_new(ERROR_INVALID, "%s: %s", what, reason ? reason : "the connection was closed");
}

static fallible pem_error(const Pem *pem, const char *what)
{
	autofree char *text = string_printf("\"%s\" %s", pem->name, what);

	return tls_error(NULL, text);
}

/* ---- PEM ---- */

static BIO *open_pem(const Pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->text, (int)pem->length);

	if (!bio)
		abort(); /* no memory (docs/decisions/0001) */
	return bio;
}

/* The end of a file is an error to OpenSSL; what it knows of it besides is none of ours. */
static bool is_at_end(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/* Nobody is there to be asked. */
static int no_passphrase(char *buffer, int size, int writes, void *arg)
{
	(void)buffer, (void)size, (void)writes, (void)arg;
	return -1;
}

static fallible add_authority(TlsContext *context, const Pem *pem, X509 *authority)
{
	if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) != 1)
		return pem_error(pem, "cannot be used");
	if (SSL_CTX_add_client_CA(context, authority) != 1)
		return pem_error(pem, "cannot be used");
	return NULL;
}

static fallible use_authorities(TlsContext *context, const Pem *pem)
{
	autoptr(BIO) bio = open_pem(pem);
	size_t count = 0;

	for (;;) {
		autoptr(X509) authority = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!authority)
			break;
		TRY(add_authority(context, pem, authority));
		count++;
	}
	if (count == 0 || !is_at_end())
		return pem_error(pem, "is no list of certificates in PEM");
	ERR_clear_error();
	return NULL;
}

static fallible use_chain(TlsContext *context, const Pem *pem)
{
	autoptr(BIO) bio = open_pem(pem);
	autoptr(X509) own = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

	if (!own)
		return pem_error(pem, "is no certificate in PEM");
	if (SSL_CTX_use_certificate(context, own) != 1)
		return pem_error(pem, "cannot be used");
	for (;;) {
		autoptr(X509) next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!next)
			break;
		if (SSL_CTX_add1_chain_cert(context, next) != 1)
			return pem_error(pem, "has a chain that cannot be used");
	}
	if (!is_at_end())
		return pem_error(pem, "has a chain that is no PEM");
	ERR_clear_error();
	return NULL;
}

static fallible use_key(TlsContext *context, const Pem *pem)
{
	autoptr(BIO) bio = open_pem(pem);
	autoptr(EVP_PKEY) key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	if (!key)
		return pem_error(pem, "is no private key in PEM without a passphrase");
	if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
		return pem_error(pem, "does not belong to the certificate");
	return NULL;
}

/* Of an authority above the one that has signed a certificate there may be no list: what is not known is not held
 * against anybody. Source: X509_VERIFY_PARAM_set_flags(3), X509_V_FLAG_CRL_CHECK_ALL. */
static int pass_unlisted(int is_good, X509_STORE_CTX *chain)
{
	if (is_good || X509_STORE_CTX_get_error(chain) != X509_V_ERR_UNABLE_TO_GET_CRL ||
		X509_STORE_CTX_get_error_depth(chain) == 0)
		return is_good;
	X509_STORE_CTX_set_error(chain, X509_V_OK);
	return 1;
}

static fallible use_revoked(TlsContext *context, const Pem *pem)
{
	autoptr(BIO) bio = open_pem(pem);
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	size_t count = 0;

	for (;;) {
		autoptr(X509_CRL) revoked = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL);
		if (!revoked)
			break;
		if (X509_STORE_add_crl(store, revoked) != 1)
			return pem_error(pem, "cannot be used");
		count++;
	}
	if (count == 0 || !is_at_end())
		return pem_error(pem, "is no revocation list in PEM");
	ERR_clear_error();
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	X509_STORE_set_verify_cb(store, pass_unlisted);
	return NULL;
}

/* ---- contexts ---- */

static TlsContext *new_context(const SSL_METHOD *method)
{
	TlsContext *context = SSL_CTX_new(method);

	if (!context)
		abort();
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20"); /* of TLS 1.2 */
	SSL_CTX_set_options(context,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	return context;
}

fallible context_new_server(TlsContext **ret, const Pem pems[PEM_COUNT], bool has_guests)
{
	autoptr(TlsContext) context = new_context(TLS_server_method());

	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (has_guests ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT), NULL);
	TRY(use_authorities(context, &pems[PEM_CA]));
	TRY(use_chain(context, &pems[PEM_CERT]));
	TRY(use_key(context, &pems[PEM_KEY]));
	if (pems[PEM_CRL].text)
		TRY(use_revoked(context, &pems[PEM_CRL]));
	*ret = take(context);
	return NULL;
}

fallible context_new_client(TlsContext **ret, const Pem pems[PEM_COUNT])
{
	autoptr(TlsContext) context = new_context(TLS_client_method());

	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (pems[PEM_CA].text)
		TRY(use_authorities(context, &pems[PEM_CA]));
	else if (SSL_CTX_set_default_verify_paths(context) != 1)
		return tls_error(NULL, "could not read the system's certificates");
	if (pems[PEM_CERT].text)
		TRY(use_chain(context, &pems[PEM_CERT]));
	if (pems[PEM_KEY].text)
		TRY(use_key(context, &pems[PEM_KEY]));
	*ret = take(context);
	return NULL;
}

/* ---- connections ---- */

bool context_peer_has_certificate(const SSL *ssl)
{
	return SSL_get0_peer_certificate(ssl) && SSL_get_verify_result(ssl) == X509_V_OK;
}

static bool is_address(const char *host)
{
	struct in6_addr bytes;

	return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

fallible context_connection(SSL **ret, TlsContext *context, int fd, const char *host)
{
	SSL *ssl = SSL_new(context);

	if (!ssl)
		abort();
	if (SSL_set_fd(ssl, fd) != 1 || (host && !expect_host(ssl, host))) {
		SSL_free(ssl);
		return tls_error(NULL, "could not begin TLS");
	}
	if (host)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	*ret = ssl;
	return NULL;
}
