// SPDX-License-Identifier: Apache-2.0
#include "device/kura.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/words.h"
#include "device/declaration_check.h"
#include "device/kura_value.h"
#include "device/seal.h"

enum { PORT_MAX = 65535, GPUS_MAX = 1024 };

typedef struct Kura {
	Declaration *declaration;
	const Value *properties;
	StringList *notes;
} Kura;

static fallible bad(const char *property, const char *value, const char *reason)
{
	return error_new(ERROR_INVALID, "property \"%s\": \"%.300s\" %s", property, value, reason);
}

/* NULL where there is nothing. */
static fallible read_text(char **slot, const Kura *kura, const char *property)
{
	autofree char *text = NULL;

	TRY(kura_text(&text, kura->properties, property, ""));
	string_replace(slot, *text ? text : NULL);
	return NULL;
}

static fallible read_time(int64_t *slot, const Kura *kura, const char *property, int64_t unit_ns, int64_t min)
{
	int64_t number;

	TRY(kura_int(&number, kura->properties, property, *slot / unit_ns, min));
	*slot = number * unit_ns;
	return NULL;
}

/* ---- what it is ---- */

static fallible read_name(const Kura *kura, const char *name)
{
	Declaration *declaration = kura->declaration;

	TRY(read_text(&declaration->name, kura, "container.name"));
	if (!declaration->name)
		TRY(read_text(&declaration->name, kura, "kura.service.pid"));
	if (!declaration->name)
		string_replace(&declaration->name, name);
	return NULL;
}

/* A tag that is a digest has Docker's form then; what the image says of either goes first. */
static fallible read_image(const Kura *kura)
{
	autofree char *image = NULL, *tag = NULL;
	const char *slash;

	TRY(kura_text(&image, kura->properties, "container.image", "nginx"));
	TRY(kura_text(&tag, kura->properties, "container.image.tag", "latest"));
	if (!*image || !*tag)
		return error_new(ERROR_INVALID, "property \"%s\" must not be empty",
			*image ? "container.image.tag" : "container.image");
	slash = strrchr(image, '/');
	if (strchr(image, '@')) {
		strings_printf(kura->notes, "property \"container.image.tag\": the image has a digest, which counts");
		kura->declaration->spec.image = mem_strdup(image);
		return NULL;
	}
	if (strchr(slash ? slash : image, ':'))
		return bad("container.image", image, "has a tag, which is \"container.image.tag\"'s to say");
	kura->declaration->spec.image = string_printf("%s%c%s", image, strchr(tag, ':') ? '@' : ':', tag);
	return NULL;
}

/* Users write it as an address; what is after the scheme counts. */
static fallible read_host(DeclaredRegistry *registry, const Kura *kura)
{
	autofree char *text = NULL;

	TRY(kura_text(&text, kura->properties, "registry.hostname", ""));
	const char *scheme = strstr(text, "://"), *host = scheme ? scheme + 3 : text;
	string_replace(&registry->host, *host ? host : NULL);
	return NULL;
}

static fallible read_registry(const Kura *kura)
{
	DeclaredRegistry *registry = &kura->declaration->registry;

	TRY(read_host(registry, kura));
	TRY(read_text(&registry->username, kura, "registry.username"));
	TRY(read_text(&registry->password, kura, "registry.password"));
	if (registry->password && string_starts(registry->password, SEALED_PREFIX)) {
		string_replace(&registry->sealed, registry->password + strlen(SEALED_PREFIX));
		string_replace(&registry->password, NULL);
	}
	if (registry->username || !(registry->password || registry->sealed))
		return NULL;
	strings_printf(kura->notes, "property \"registry.password\" is left out: there is no \"registry.username\"");
	string_replace(&registry->password, NULL);
	string_replace(&registry->sealed, NULL);
	return NULL;
}

static fallible read_pulling(const Kura *kura)
{
	Declaration *declaration = kura->declaration;

	TRY(kura_int(&declaration->pull_retries, kura->properties, "container.image.download.retries",
		declaration->pull_retries, 0));
	TRY(read_time(&declaration->pull_interval_ns, kura, "container.image.download.interval", NANOS_PER_MILLI, 0));
	return read_time(&declaration->pull_timeout_ns, kura, "container.image.download.timeout", NANOS_PER_SECOND, 1);
}

static fallible read_signature(const Kura *kura)
{
	DeclaredSignature *signature = &kura->declaration->signature;
	DeclaredIdentity *identity = &kura->declaration->identity;

	TRY(read_text(&signature->trust_anchor, kura, "container.signature.trust.anchor"));
	TRY(kura_bool(&signature->verify_transparency_log, kura->properties,
		"container.signature.verify.transparency.log", true));
	TRY(read_text(&signature->enforcement_digest, kura, "container.signature.enforcement.digest"));
	TRY(kura_bool(&identity->enabled, kura->properties, "container.identity.enabled", false));
	TRY(kura_list(&identity->permissions, kura->properties, "container.permissions"));
	TRY(read_time(
		&identity->access_token_ns, kura, "container.identity.jwt.access.token.duration", NANOS_PER_SECOND, 0));
	return read_time(&identity->refresh_token_ns, kura, "container.identity.jwt.refresh.token.duration",
		NANOS_PER_SECOND, 0);
}

/* ---- ports ---- */

static void drop_blanks(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (!isspace((unsigned char)*text))
			*to++ = *text;
	*to = '\0';
}

static fallible read_port_tokens(StringList *ret, const Kura *kura, const char *property)
{
	autofree char *text = NULL;

	TRY(kura_text(&text, kura->properties, property, ""));
	drop_blanks(text);
	strings_split(ret, text, ',');
	while (ret->count && !*ret->items[ret->count - 1]) /* as Java splits */
		strings_remove(ret, ret->count - 1);
	return NULL;
}

/* "80" or "80:tcp" */
static fallible read_port(int64_t *ret, const char *property, const char *token, int64_t min)
{
	autofree char *number = mem_strndup(token, strcspn(token, ":"));
	Error *error;

	if (strchr(number, '-'))
		return bad(property, token, "is not one port: ranges are not possible");
	error = string_to_int64(ret, number, min, PORT_MAX);
	if (!error)
		return NULL;
	error_free(error); /* said in the words of ports */
	return bad(property, token, "is no port");
}

/* Anything but udp and sctp is tcp. */
static int protocol_of(const Kura *kura, const char *token)
{
	const char *colon = strchr(token, ':');
	autofree char *word = string_lower(colon ? colon + 1 : "tcp");
	int protocol = names_find(protocol_names, PROTOCOLS, word);

	if (protocol < 0)
		strings_printf(
			kura->notes, "property \"container.ports.internal\": \"%s\" is no protocol: it is tcp", token);
	return protocol < 0 ? PROTOCOL_TCP : protocol;
}

static fallible read_port_pair(PortSpec *ret, const Kura *kura, const char *inside, const char *outside)
{
	TRY(read_port(&ret->port, "container.ports.internal", inside, 1));
	TRY(read_port(&ret->host_port, "container.ports.external", outside, 0));
	ret->protocol = protocol_of(kura, inside);
	return NULL;
}

static fallible read_ports(const Kura *kura)
{
	FieldArray *ports = &kura->declaration->spec.ports;
	autoclear(StringList) inside = {0}, outside = {0};

	TRY(read_port_tokens(&inside, kura, "container.ports.internal"));
	TRY(read_port_tokens(&outside, kura, "container.ports.external"));
	if (inside.count != outside.count)
		return error_new(ERROR_INVALID,
			"property \"container.ports.external\" has %zu ports, and \"container.ports.internal\" has "
			"%zu: they must be as many",
			outside.count, inside.count);
	if (inside.count > FIELDS_COUNT_MAX)
		return error_new(ERROR_INVALID, "property \"container.ports.internal\" has more than %d ports",
			FIELDS_COUNT_MAX);
	if (!inside.count)
		return NULL;
	ports->items = mem_alloc(inside.count * sizeof(PortSpec));
	for (ports->count = 0; ports->count < inside.count; ports->count++)
		TRY(read_port_pair((PortSpec *)ports->items + ports->count, kura, inside.items[ports->count],
			outside.items[ports->count]));
	return NULL;
}

/* ---- storage and devices ---- */

/* "host:container", and, unlike Kura, "host:container:ro". */
static fallible read_volumes(const Kura *kura)
{
	ContainerSpec *spec = &kura->declaration->spec;
	autoclear(StringList) words = {0};

	TRY(kura_list(&words, kura->properties, "container.volume"));
	for (size_t i = 0; i < words.count; i++) {
		autoclear(StringList) parts = {0};
		strings_split(&parts, words.items[i], ':');
		if (string_equal(words.items[i], ":")) /* what an empty form gives */
			continue;
		for (size_t j = 0; j < parts.count; j++) {
			autofree char *trimmed = mem_strdup(string_trim(parts.items[j]));
			string_replace(&parts.items[j], trimmed);
		}
		strings_take(&spec->binds, strings_join(&parts, ":"));
	}
	TRY_WRAP(container_spec_parse_binds(spec), "property \"container.volume\"");
	strings_clear(&spec->binds);
	return NULL;
}

static fallible read_devices(const Kura *kura)
{
	FieldArray *devices = &kura->declaration->devices;
	autoclear(StringList) words = {0};

	TRY(kura_list(&words, kura->properties, "container.device"));
	devices->items = words.count ? mem_alloc(words.count * sizeof(DeclaredDevice)) : NULL;
	for (; devices->count < words.count; devices->count++) {
		autoclear(DeviceWord) word = {0};
		DeclaredDevice *device = (DeclaredDevice *)devices->items + devices->count;
		TRY_WRAP(device_word_parse(&word, words.items[devices->count]), "property \"container.device\"");
		*device = (DeclaredDevice){take(word.path), take(word.target), take(word.permissions), false};
	}
	return NULL;
}

/* ---- limits ---- */

/* A number of bytes, or one with b, k, m or g, in lower case. */
static fallible read_memory(const Kura *kura)
{
	static const char units[] = "bkmg";
	autofree char *text = NULL;
	int64_t number;

	TRY(kura_text(&text, kura->properties, "container.memory", ""));
	size_t length = strlen(text);
	const char *unit = length ? strchr(units, text[length - 1]) : NULL;
	autofree char *digits = mem_strndup(text, unit ? length - 1 : length);
	int64_t factor = INT64_C(1) << (unit ? 10 * (unit - units) : 0);
	if (!length)
		return NULL;
	Error *error = string_to_int64(&number, digits, 0, INT64_MAX / factor);
	error_free(error); /* said in the words of sizes */
	if (error)
		return bad("container.memory", text, "is not a number of bytes, or one with b, k, m or g");
	kura->declaration->spec.memory = number * factor;
	return NULL;
}

static fallible read_cpus(const Kura *kura)
{
	const Value *value = value_get(kura->properties, "container.cpus");
	const Value *plain = value_is_object(value) ? value_get(value, "value") : value;
	double number = value_double(plain, 0);
	autofree char *text = NULL;

	if (value_is_number(plain) && number >= 0 && number < 1e6) {
		kura->declaration->spec.nano_cpus = (int64_t)(number * 1e9 + 0.5);
		return NULL;
	}
	TRY(kura_text(&text, kura->properties, "container.cpus", ""));
	if (*text)
		TRY_WRAP(string_to_nano(&kura->declaration->spec.nano_cpus, text), "property \"container.cpus\"");
	return NULL;
}

/* "all" or a number. */
static fallible read_gpus(const Kura *kura)
{
	autofree char *text = NULL;
	int64_t count = -1;

	TRY(kura_text(&text, kura->properties, "container.gpus", ""));
	if (*text && strcmp(text, "all") != 0)
		TRY_WRAP(string_to_int64(&count, text, 0, GPUS_MAX), "property \"container.gpus\"");
	if (!*text || !count)
		return NULL;
	kura->declaration->gpus = mem_new(DeclaredGpus);
	kura->declaration->gpus->count = count;
	return NULL;
}

/* ---- logs ---- */

/* Which driver is the device's, nobody knows here; it has limits of its own. */
static const struct {
	const char *type, *driver;
	bool takes_size; /* it has max-size for sure */
} log_types[] = {
	{"DEFAULT", NULL, false},
	{"JSON_FILE", "json-file", true},
	{"LOCAL", "local", true},
	{"NONE", "none", false},
	{"SYSLOG", "syslog", false},
	{"JOURNALD", "journald", false},
	{"GELF", "gelf", false},
	{"FLUENTD", "fluentd", false},
	{"ETWLOGS", "etwlogs", false},
	{"AWSLOGS", "awslogs", false},
	{"DB", "db", false},
	{"SPLUNK", "splunk", false},
	{"GCPLOGS", "gcplogs", false},
	{"LOKI", "loki", false},
};

static fallible read_log_options(const Kura *kura)
{
	autoclear(StringList) words = {0};

	TRY(kura_list(&words, kura->properties, "container.loggerParameters"));
	for (size_t i = 0; i < words.count; i++) {
		if (!strchr(words.items[i], '='))
			return bad("container.loggerParameters", words.items[i], "is not of the form NAME=VALUE");
		TRY_WRAP(pair_word_add(&kura->declaration->spec.log_options, words.items[i]),
			"property \"container.loggerParameters\"");
	}
	return NULL;
}

/* Kura always sends its default, also to drivers that have no such option. */
static void drop_default_size(const Kura *kura, const char *type)
{
	StringMap *options = &kura->declaration->spec.log_options;

	if (!string_equal(map_get(options, "max-size"), "10m"))
		return;
	map_remove(options, "max-size");
	strings_printf(kura->notes,
		"property \"container.loggerParameters\": \"max-size=10m\" is left out: logger type %s has %s", type,
		strcasecmp(type, "DEFAULT") == 0 ? "the device's own limits" : "no such option");
}

static fallible read_log(const Kura *kura)
{
	autofree char *type = NULL;

	TRY(kura_text(&type, kura->properties, "container.loggingType", "DEFAULT"));
	TRY(read_log_options(kura));
	for (size_t i = 0; i < COUNT(log_types); i++) {
		if (strcasecmp(log_types[i].type, *type ? type : "DEFAULT") != 0)
			continue;
		kura->declaration->spec.log_driver = mem_strdup(log_types[i].driver);
		if (!log_types[i].takes_size)
			drop_default_size(kura, *type ? type : "DEFAULT");
		return NULL;
	}
	return bad("container.loggingType", type, "is unknown");
}

/* ---- the rest ---- */

static fallible read_plain(const Kura *kura)
{
	ContainerSpec *spec = &kura->declaration->spec;
	bool restart;

	TRY(kura_bool(&kura->declaration->enabled, kura->properties, "container.enabled", false));
	TRY(kura_bool(&spec->privileged, kura->properties, "container.privileged", false));
	TRY(kura_list(&spec->env, kura->properties, "container.env"));
	TRY(kura_list(&spec->entrypoint, kura->properties, "container.entrypoint"));
	TRY(read_text(&spec->runtime, kura, "container.runtime"));
	TRY(read_text(&spec->network_mode, kura, "container.networkMode"));
	TRY(kura_bool(&restart, kura->properties, "container.restart.onfailure", false));
	spec->restart_policy = restart ? RESTART_UNLESS_STOPPED : RESTART_NO;
	return NULL;
}

static const char *const known[] = {"container.enabled", "container.image", "container.image.tag",
	"container.signature.trust.anchor", "container.signature.verify.transparency.log",
	"container.signature.enforcement.digest", "registry.hostname", "registry.username", "registry.password",
	"container.image.download.retries", "container.image.download.interval", "container.image.download.timeout",
	"container.ports.internal", "container.ports.external", "container.privileged", "container.env",
	"container.entrypoint", "container.memory", "container.cpus", "container.gpus", "container.volume",
	"container.device", "container.runtime", "container.networkMode", "container.loggingType",
	"container.loggerParameters", "container.restart.onfailure", "container.identity.enabled",
	"container.permissions", "container.identity.jwt.access.token.duration",
	"container.identity.jwt.refresh.token.duration", "container.name"};

/* What Kura itself notes in its properties ("service.pid", ...) means nothing here. */
static fallible check_known(const Kura *kura)
{
	const char *name;
	size_t cursor = 0;

	while (value_each(kura->properties, &cursor, &name, NULL)) {
		bool is_ours = string_starts(name, "container.") || string_starts(name, "registry.");
		if (is_ours && names_find(known, COUNT(known), name) < 0)
			return error_new(ERROR_INVALID, "property \"%.300s\" is unknown", name);
		if (!is_ours && !strchr(name, '.'))
			return error_new(
				ERROR_INVALID, "field \"%.300s\" is no property of a container instance", name);
	}
	return NULL;
}

/* Which property a field of ours came from, for what the engine's checks say of its value. */
static const FieldName field_names[] = {
	{"name", "container.name"},
	{"image", "container.image"},
	{"environment", "container.env"},
	{"entrypoint", "container.entrypoint"},
	{"memory", "container.memory"},
	{"cpus", "container.cpus"},
	{"networkMode", "container.networkMode"},
	{"volumes", "container.volume"},
	{"devices", "container.device"},
	{"logging.driver", "container.loggingType"},
	{"logging.options", "container.loggerParameters"},
	{"signature.enforcementDigest", "container.signature.enforcement.digest"},
	{NULL, NULL},
};

static fallible read_all(const Kura *kura, const char *name)
{
	TRY(check_known(kura));
	TRY(read_name(kura, name));
	TRY(read_image(kura));
	TRY(read_registry(kura));
	TRY(read_pulling(kura));
	TRY(read_signature(kura));
	TRY(read_plain(kura));
	TRY(read_ports(kura));
	TRY(read_volumes(kura));
	TRY(read_devices(kura));
	TRY(read_memory(kura));
	TRY(read_cpus(kura));
	TRY(read_gpus(kura));
	TRY(read_log(kura));
	return error_rename_field(declaration_settle(kura->declaration, NULL), "property", field_names);
}

bool kura_is(const Value *document)
{
	const Value *properties = kura_properties(document);
	const char *name;
	size_t cursor = 0;

	while (value_each(properties, &cursor, &name, NULL))
		if (string_starts(name, "container.") || string_starts(name, "registry."))
			return true;
	return false;
}

fallible kura_read(Declaration *ret, StringList *ret_notes, const Value *document, const char *name)
{
	autoclear(Declaration) declaration;
	Kura kura = {&declaration, kura_properties(document), ret_notes};

	declaration_init(&declaration);
	TRY(read_all(&kura, name));
	declaration_clear(ret);
	*ret = declaration;
	declaration_init(&declaration);
	return NULL;
}
