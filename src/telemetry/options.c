// SPDX-License-Identifier: Apache-2.0
#include "telemetry/options.h"

#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "telemetry/address.h"
#include "telemetry/facility.h"
#include "telemetry/tag.h"

#define BLOCK_FILE_MAX (INT64_C(1) << 30)

enum { FILES_MAX = 1000, LEVEL_MAX = 9, REGEX_MAX = 1024 };

typedef fallible (*Check)(const char *value);

typedef struct LogOption {
	const char *name;
	Check check; /* NULL: any text */
} LogOption;

/* ---- values ---- */

static fallible check_size(const char *value)
{
	int64_t size;

	TRY(string_to_bytes(&size, value));
	return size > 0 ? NULL : error_new(ERROR_INVALID, "\"%s\" is not a positive size", value);
}

static fallible check_max_size(const char *value)
{
	return strcmp(value, "-1") == 0 ? NULL : check_size(value);
}

/* Where a file is looked for lines from its end on, all of it is gone through. */
static fallible check_block_size(const char *value)
{
	int64_t size;

	TRY(check_size(value));
	TRY(string_to_bytes(&size, value));
	return size <= BLOCK_FILE_MAX ? NULL : error_new(ERROR_INVALID, "\"%s\" is more than 1g", value);
}

static fallible check_files(const char *value)
{
	int64_t number;

	return string_to_int64(&number, value, 1, FILES_MAX);
}

static fallible check_flag(const char *value)
{
	static const char *const flags[] = {
		"true", "false", "1", "0", "t", "f", "T", "F", "TRUE", "FALSE", "True", "False"};

	if (names_find(flags, COUNT(flags), value) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "\"%s\" is neither true nor false", value);
}

bool log_option_is_true(const char *value, bool otherwise)
{
	return value ? *value == 't' || *value == 'T' || *value == '1' : otherwise;
}

/* Said openly rather than taken and not done. */
static fallible check_no_compression(const char *value)
{
	TRY(check_flag(value));
	if (log_option_is_true(value, false))
		return error_new(ERROR_UNSUPPORTED,
			"log files of this driver are not compressed; driver \"local\" has compressed ones");
	return NULL;
}

static fallible check_count(const char *value)
{
	int64_t number;

	return string_to_int64(&number, value, 0, INT32_MAX);
}

static fallible check_duration(const char *value)
{
	int64_t duration_ns;

	TRY(clock_parse_duration(&duration_ns, value));
	return duration_ns >= 0 ? NULL : error_new(ERROR_INVALID, "\"%s\" is negative", value);
}

static fallible check_regex(const char *value)
{
	regex_t regex;

	if (strlen(value) > REGEX_MAX || regcomp(&regex, value, REG_EXTENDED | REG_NOSUB))
		return error_new(ERROR_INVALID, "\"%s\" is not a regular expression", value);
	regfree(&regex);
	return NULL;
}

static fallible check_mode(const char *value)
{
	static const char *const modes[] = {"blocking", "non-blocking", ""};

	if (names_find(modes, COUNT(modes), value) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "logging mode \"%s\" is neither blocking nor non-blocking", value);
}

static fallible check_address(const char *value, const LogAddressRule *rule)
{
	autoclear(LogAddress) address = {0};

	return log_address_parse(&address, value, rule);
}

static fallible check_syslog_address(const char *value)
{
	return *value ? check_address(value, &log_address_syslog) : NULL;
}

static fallible check_gelf_address(const char *value)
{
	return check_address(value, &log_address_gelf);
}

static fallible check_fluentd_address(const char *value)
{
	return *value ? check_address(value, &log_address_fluentd) : NULL;
}

static fallible check_facility(const char *value)
{
	int number;

	return facility_find(&number, value);
}

static fallible check_syslog_format(const char *value)
{
	static const char *const formats[] = {"", "rfc3164", "rfc5424", "rfc5424micro"};

	if (names_find(formats, COUNT(formats), value) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "\"%s\" is none of rfc3164, rfc5424, rfc5424micro", value);
}

static fallible check_compression(const char *value)
{
	static const char *const types[] = {"gzip", "zlib", "none"};

	if (names_find(types, COUNT(types), value) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "\"%s\" is none of gzip, zlib, none", value);
}

static fallible check_level(const char *value)
{
	int64_t level;

	if (strcmp(value, "-1") == 0)
		return NULL;
	return string_to_int64(&level, value, 0, LEVEL_MAX);
}

static fallible check_path(const char *value)
{
	return value[0] == '/' ? NULL : error_new(ERROR_INVALID, "\"%s\" is not an absolute path", value);
}

/* ---- what each driver has ---- */

#define ATTRIBUTES                                                                                                     \
	{"labels", NULL}, {"labels-regex", check_regex}, {"env", NULL}, {"env-regex", check_regex},                    \
	{                                                                                                              \
		"tag", log_tag_check                                                                                   \
	}

/* All of them but none. */
static const LogOption common[] = {
	{"mode", check_mode},
	{"max-buffer-size", check_size},
	{"cache-disabled", check_flag},
	{"cache-max-size", check_max_size},
	{"cache-max-file", check_files},
	{"cache-compress", check_no_compression},
	{0},
};

static const LogOption no_options[] = {{0}};
static const LogOption file_options[] = {
	{"max-size", check_max_size}, {"max-file", check_files}, {"compress", check_no_compression}, ATTRIBUTES, {0}};
static const LogOption local_options[] = {
	{"max-size", check_block_size}, {"max-file", check_files}, {"compress", check_flag}, {0}};
static const LogOption journald_options[] = {ATTRIBUTES, {0}};
static const LogOption syslog_options[] = {
	{"syslog-address", check_syslog_address},
	{"syslog-facility", check_facility},
	{"syslog-format", check_syslog_format},
	{"syslog-tls-ca-cert", check_path},
	{"syslog-tls-cert", check_path},
	{"syslog-tls-key", check_path},
	{"syslog-tls-skip-verify", check_flag},
	ATTRIBUTES,
	{0},
};
static const LogOption gelf_options[] = {
	{"gelf-address", check_gelf_address},
	{"gelf-compression-type", check_compression},
	{"gelf-compression-level", check_level},
	{"gelf-tcp-max-reconnect", check_count},
	{"gelf-tcp-reconnect-delay", check_count},
	ATTRIBUTES,
	{0},
};
static const LogOption fluentd_options[] = {
	{"fluentd-address", check_fluentd_address},
	{"fluentd-async", check_flag},
	{"fluentd-async-connect", check_flag},
	{"fluentd-async-reconnect-interval", check_duration},
	{"fluentd-buffer-limit", check_size},
	{"fluentd-max-retries", check_count},
	{"fluentd-request-ack", check_flag},
	{"fluentd-retry-wait", check_duration},
	{"fluentd-sub-second-precision", check_flag},
	ATTRIBUTES,
	{0},
};

/* ---- what goes together ---- */

static fallible check_gelf(const StringMap *options)
{
	static const char *const of_udp[] = {"gelf-compression-type", "gelf-compression-level"};
	static const char *const of_tcp[] = {"gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"};
	const char *address = map_get(options, "gelf-address");

	if (!address)
		return error_new(ERROR_INVALID, "log option \"gelf-address\" is missing");
	bool is_udp = string_starts(address, "udp://");
	const char *const *others = is_udp ? of_tcp : of_udp;
	for (size_t i = 0; i < COUNT(of_udp); i++)
		if (map_get(options, others[i]))
			return error_new(ERROR_INVALID, "log option \"%s\" goes with %s only", others[i],
				is_udp ? "TCP" : "UDP");
	return NULL;
}

static fallible check_syslog(const StringMap *options)
{
	if (!map_get(options, "syslog-tls-cert") != !map_get(options, "syslog-tls-key"))
		return error_new(ERROR_INVALID, "log options \"syslog-tls-cert\" and \"syslog-tls-key\" go together");
	return NULL;
}

static const struct {
	const char *name;
	const LogOption *options;
	fallible (*check)(const StringMap *options); /* NULL: nothing more */
	bool forwards, has_common;
} drivers[] = {
	{"json-file", file_options, NULL, false, true},
	{"local", local_options, NULL, false, true},
	{"journald", journald_options, NULL, true, true},
	{"syslog", syslog_options, check_syslog, true, true},
	{"gelf", gelf_options, check_gelf, true, true},
	{"fluentd", fluentd_options, NULL, true, true},
	{"none", no_options, NULL, false, false},
};

/* Other drivers of Docker's, most of which speak to one company's service, and what to use instead. */
static const struct {
	const char *name, *instead;
} absent[] = {
	{"awslogs", "use fluentd or syslog, with an agent that sends to CloudWatch"},
	{"gcplogs", "use fluentd, with an agent that sends to Cloud Logging"},
	{"splunk", "use syslog or gelf, which Splunk's connectors take"},
	{"loki", "use journald or syslog, with promtail or another agent for Loki"},
	{"etwlogs", "it is of Windows alone; use journald or syslog"},
	{"logentries", "use syslog"},
	{"db", "use json-file or local"},
};

/* ---- looking ---- */

static int find_driver(const char *name)
{
	for (size_t i = 0; i < COUNT(drivers); i++)
		if (string_equal(drivers[i].name, string_empty(name) ? "json-file" : name))
			return (int)i;
	return -1;
}

static fallible unknown_driver(const char *name)
{
	for (size_t i = 0; i < COUNT(absent); i++)
		if (string_equal(absent[i].name, name))
			return error_hint(error_new(ERROR_UNSUPPORTED, "log driver \"%s\" is not supported", name),
				"%s", absent[i].instead);
	return error_hint(error_new(ERROR_INVALID, "log driver \"%s\" is unknown", name),
		"use json-file, local, journald, syslog, gelf, fluentd or none");
}

static const LogOption *find_option(const LogOption *options, const char *name)
{
	for (; options->name; options++)
		if (strcmp(options->name, name) == 0)
			return options;
	return NULL;
}

static const LogOption *option_of(int driver, const char *name)
{
	const LogOption *option = find_option(drivers[driver].options, name);

	return option || !drivers[driver].has_common ? option : find_option(common, name);
}

static fallible check_option(int driver, const StringPair *pair)
{
	const LogOption *option = option_of(driver, pair->key);

	if (!option)
		return error_new(
			ERROR_INVALID, "unknown log opt '%s' for %s log driver", pair->key, drivers[driver].name);
	if (option->check)
		TRY_WRAP(option->check(pair->value), "log option \"%s\"", pair->key);
	return NULL;
}

fallible log_options_check(const char *driver, const StringMap *options)
{
	int number = find_driver(driver);

	if (number < 0)
		return unknown_driver(driver);
	for (size_t i = 0; i < options->count; i++)
		TRY(check_option(number, &options->items[i]));
	if (map_get(options, "max-buffer-size") && log_options_block(options))
		return error_new(
			ERROR_INVALID, "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
	return drivers[number].check ? drivers[number].check(options) : NULL;
}

bool log_driver_is_known(const char *driver)
{
	return find_driver(driver) >= 0;
}

bool log_driver_forwards(const char *driver)
{
	int number = find_driver(driver);

	return number >= 0 && drivers[number].forwards;
}

bool log_driver_has_option(const char *driver, const char *option)
{
	int number = find_driver(driver);

	return number >= 0 && option_of(number, option);
}

bool log_options_block(const StringMap *options)
{
	return !string_equal(map_get(options, "mode"), "non-blocking");
}

const char *log_driver_name(size_t number)
{
	return number < COUNT(drivers) ? drivers[number].name : NULL;
}
