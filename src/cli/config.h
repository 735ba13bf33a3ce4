// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Docker's config.json, of which kedge uses the registry credentials. What else is in it is kept when it is written.
 * Where it names a credential helper for a registry, that program keeps them (cli/credential_helper.h).
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "json/value.h"

enum { CONFIG_MAX = 1 << 20 };

typedef struct Config {
	char *path; /* of the file */
	Value *root;
} Config;

typedef struct Credentials {
	char *username, *password, *identity_token; /* all NULL: none */
} Credentials;

/* A file that is not there is an empty configuration. */
fallible config_load(Config *ret, const char *directory);
fallible config_parse(Config *config, const char *text, size_t length);
void config_clear(Config *config);
DEFINE_AUTOCLEAR(Config, config_clear)

/* The program that keeps this registry's credentials ("credHelpers", "credsStore"); NULL: the file does. */
const char *config_helper(const Config *config, const char *registry);
/* registry: "docker.io", "localhost:5000". Nothing found is no error. */
fallible config_find_kept(Credentials *ret, const Config *config, const char *registry); /* in the file itself */
fallible config_find(Credentials *ret, const Config *config, const char *registry);
/* Change and write (0600, replaced at once). */
fallible config_store(Config *config, const char *registry, const Credentials *credentials);
fallible config_remove(Config *config, const char *registry, bool *ret_removed);
void credentials_clear(Credentials *credentials);
DEFINE_AUTOCLEAR(Credentials, credentials_clear)

/* The registry as config.json and the API name it: Docker Hub's is "https://index.docker.io/v1/". */
const char *config_server_name(const char *registry);
/* What login and logout are given: "https://host/v1/" was the form once, the host is what counts; NULL is Docker Hub.
 */
char *config_registry_of(const char *server);
/* "X-Registry-Auth: ..." for a call; without credentials it says {}. */
char *credentials_header(const Credentials *credentials, const char *registry);
/* Credentials of one registry in one step: what pull and push need. */
fallible config_header(char **ret, const char *directory, const char *registry);
