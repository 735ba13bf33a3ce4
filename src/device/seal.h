// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sealed passwords: what files and snapshots have of a registry's password is of use on this device alone, and only to
 * who can read the key, which is root. That protects copies of those files (backups, repositories, mails, a list of
 * configurations on a screen), not against root on the device, nor against a copy of its whole disk, which has the key
 * as well. libsodium's secretbox (XSalsa20-Poly1305), a random nonce in front of the box, base64.
 */
#include <stdbool.h>

#include "json/value.h"

typedef struct SealKey SealKey;

/* Made at path, 0600 and durable, where there is none. One that others can read, or that is damaged, is an error: it is
 * not replaced, since what it has sealed would be lost. */
fallible seal_key_open(SealKey **ret, const char *path);
SealKey *seal_key_free(SealKey *key);
DEFINE_AUTOPTR(SealKey, seal_key_free)

char *seal_text(const SealKey *key, const char *text); /* owned */
/* *ret is to be wiped by seal_wipe(). ERROR_INVALID: not sealed with this key. */
fallible seal_open(char **ret, const SealKey *key, const char *sealed);
void seal_wipe(char *text); /* overwrites and frees; NULL is fine */

#define SEALED_PREFIX "sealed:" /* of the password in a file with Kura's property ids */

/* Seals what a declaration has in the clear, of our form ("registry.password" becomes "registry.sealed") or Kura's.
 * *ret_changed: there was something. */
void seal_document(bool *ret_changed, Value *document, const SealKey *key);
