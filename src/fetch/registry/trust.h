// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whom TLS believes: the system's bundle of CAs, opened before the jail and read when the first TLS connection needs
 * it, and the CAs given for the registry. Parsed once for all connections, which libcurl does not do for CAs that are
 * no file.
 */
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Trust Trust;

Trust *trust_open(void); /* a system without a bundle is fine: then only the registry's own CAs count */
Trust *trust_free(Trust *trust);
DEFINE_AUTOPTR(Trust, trust_free)
/* For another registry: the same bundle, none of the CAs that were added. */
Trust *trust_another(const Trust *trust);
fallible trust_add(Trust *trust, const char *pem); /* an error if there is no certificate in it */
X509_STORE *trust_store(Trust *trust);             /* borrowed */
