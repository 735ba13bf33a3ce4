// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/trust.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"

enum { BUNDLE_MAX = 8 << 20 };

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
	"/etc/ssl/ca-bundle.pem",             /* SUSE */
	"/etc/ssl/cert.pem",                  /* OpenWrt, BSD */
};

struct Trust {
	int bundle;
	bool is_loaded;
	X509_STORE *store;
};

static Trust *trust_new(int take_bundle)
{
	Trust *trust = mem_new(Trust);

	trust->bundle = take_bundle;
	trust->store = X509_STORE_new();
	/* As libcurl sets them: a trusted intermediate is enough, and trusted certificates come before those that the
	 * server sent. */
	X509_STORE_set_flags(trust->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	return trust;
}

Trust *trust_open(void)
{
	int bundle = -1;

	for (size_t i = 0; bundle < 0 && i < sizeof(bundles) / sizeof(bundles[0]); i++)
		bundle = open(bundles[i], O_RDONLY | O_CLOEXEC);
	return trust_new(bundle);
}

Trust *trust_another(const Trust *trust)
{
	return trust_new(fcntl(trust->bundle, F_DUPFD_CLOEXEC, 0));
}

Trust *trust_free(Trust *trust)
{
	if (!trust)
		return NULL;
	close_fd(&trust->bundle);
	X509_STORE_free(trust->store);
	free(trust);
	return NULL;
}

static size_t add_certificates(X509_STORE *store, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	size_t count = 0;

	for (;;) {
		X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (!certificate)
			break;
		X509_STORE_add_cert(store, certificate); /* twice the same is no error */
		X509_free(certificate);
		count++;
	}
	ERR_clear_error();
	BIO_free(bio);
	return count;
}

Error *trust_add(Trust *trust, const char *pem)
{
	if (add_certificates(trust->store, pem) == 0)
		return error_new(ERROR_INVALID, "the CA file of the registry has no certificate");
	return NULL;
}

X509_STORE *trust_store(Trust *trust)
{
	autofree char *text = NULL;

	if (trust->is_loaded || trust->bundle < 0)
		return trust->store;
	trust->is_loaded = true;
	lseek(trust->bundle, 0, SEEK_SET); /* another's descriptor shares the position */
	Error *error = file_read_fd(&text, NULL, trust->bundle, "CA bundle", BUNDLE_MAX);
	close_fd(&trust->bundle);
	if (error)
		error_log(error, "could not read the system's CA certificates");
	else
		add_certificates(trust->store, text);
	return trust->store;
}
