// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a plugin writes to its standard output: a result, an error, or the versions it speaks. Source: Container Network
 * Interface Specification 1.0.0, section 5; 0.3.0 to 0.4.0 have the family of each address beside it.
 */
#include "json/fields.h"

enum { CNI_OUTPUT_MAX = 1 << 20, CNI_RESULT_ITEMS_MAX = 256 };

typedef struct CniInterface {
	char *name, *mac;
	char *sandbox; /* the namespace's path; NULL or empty: on the host */
} CniInterface;

typedef struct CniAddress {
	char *address;     /* with its prefix: "10.1.0.5/16" */
	char *gateway;     /* NULL: none */
	int64_t interface; /* index of the interface that has it; -1: not said */
} CniAddress;

typedef struct CniRoute {
	char *destination; /* "0.0.0.0/0" */
	char *gateway;     /* NULL: by the address's */
} CniRoute;

typedef struct CniDns {
	StringList servers, search, options;
	char *domain;
} CniDns;

typedef struct CniResult {
	char *version;
	FieldArray interfaces, addresses, routes; /* of CniInterface, CniAddress, CniRoute */
	CniDns dns;
	Value *document; /* as the plugin gave it, for the next plugin */
} CniResult;

fallible cni_result_parse(CniResult *ret, const char *text, size_t length);
fallible cni_result_read(CniResult *ret, const Value *document);
void cni_result_clear(CniResult *result);
DEFINE_AUTOCLEAR(CniResult, cni_result_clear)
/* Owned: the document in the words of another version. */
Value *cni_result_as(const Value *document, const char *version);
/* Of the interface of this name in the container; NULL: none is told. */
const char *cni_result_mac(const CniResult *result, const char *interface);
/* "10.1.0.5", however the result writes it. */
bool cni_result_has_address(const CniResult *result, const char *address);

/* As the plugin said it: "<msg>: <details>". What is no such document gives NULL. */
Error *cni_error_parse(const char *text, size_t length);

/* Whether the answer to VERSION names this version; ret_versions: all that it names, for a message. */
fallible cni_versions_parse(bool *ret_has, char **ret_versions, const char *text, size_t length, const char *version);
