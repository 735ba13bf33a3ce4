// SPDX-License-Identifier: Apache-2.0
/* Plays the engine's part for the tests of CNI: one run of one network through cni/run.h, its end a JSON line on
 * standard output. */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "cni/run.h"

typedef struct DriverOptions {
	char *config, *records, *netns, *link, *mac, *container, *interface;
	StringList plugins, ports, addresses, aliases;
	int64_t ingress, egress, timeout_ns;
} DriverOptions;

#define TEXT(option, member)                                                                                           \
	{                                                                                                              \
		.name = option, .kind = OPTION_STRING, .offset = offsetof(DriverOptions, member), .argument = "TEXT"   \
	}
#define TEXTS(option, member)                                                                                          \
	{                                                                                                              \
		.name = option, .kind = OPTION_LIST, .offset = offsetof(DriverOptions, member), .argument = "TEXT"     \
	}
#define NUMBER(option, member)                                                                                         \
	{                                                                                                              \
		.name = option, .kind = OPTION_INT, .offset = offsetof(DriverOptions, member), .argument = "N"         \
	}

static const Option options_table[] = {
	TEXT("config", config),
	TEXT("records", records),
	TEXT("netns", netns),
	TEXT("link", link),
	TEXT("mac", mac),
	TEXT("container", container),
	TEXT("interface", interface),
	TEXTS("plugins", plugins),
	TEXTS("port", ports), /* "8080:80/tcp" */
	TEXTS("address", addresses),
	TEXTS("alias", aliases),
	NUMBER("ingress", ingress),
	NUMBER("egress", egress),
	{.name = "timeout", .kind = OPTION_DURATION, .offset = offsetof(DriverOptions, timeout_ns), .argument = "TIME"},
	OPTION_END,
};

typedef struct Driver {
	DriverOptions options;
	Loop *loop;
	CniRun *run;
	int status;
} Driver;

/* ---- the end ---- */

static void tell(Error *take_error, const CniResult *result)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	write_object(&writer, NULL);
	if (take_error) {
		write_string(&writer, "error", error_message(take_error));
		write_string(&writer, "kind", error_kind_name(error_kind(take_error)));
	}
	if (result)
		write_value(&writer, "result", result->document);
	write_object_end(&writer);
	puts(buffer_text(&text));
	error_free(take_error);
}

static void on_done(void *arg, Error *take_error, const CniResult *result)
{
	Driver *driver = arg;

	driver->status = take_error ? 1 : 0;
	tell(take_error, result);
	driver->run = cni_run_free(driver->run);
	loop_stop(driver->loop);
}

/* ---- the beginning ---- */

static fallible add_port(CniAttachment *attachment, const char *text)
{
	CniPort *port;
	char protocol[8] = "tcp";
	long long host, container;

	if (sscanf(text, "%lld:%lld/%7s", &host, &container, protocol) < 2)
		return error_new(ERROR_INVALID, "port \"%s\" is not HOST:CONTAINER/PROTOCOL", text);
	attachment->ports.items = mem_array(attachment->ports.items, attachment->ports.count + 1, sizeof(CniPort));
	port = (CniPort *)attachment->ports.items + attachment->ports.count++;
	*port = (CniPort){.protocol = mem_strdup(protocol), .host_port = host, .container_port = container};
	return NULL;
}

static fallible read_attachment(CniAttachment *ret, const DriverOptions *options)
{
	ret->container = mem_strdup(options->container);
	ret->namespace = mem_strdup(options->link);
	ret->interface = mem_strdup(options->interface);
	ret->mac = mem_strdup(options->mac);
	ret->bandwidth = (CniBandwidth){options->ingress, options->egress};
	strings_copy(&ret->addresses, &options->addresses);
	strings_copy(&ret->aliases, &options->aliases);
	for (size_t i = 0; i < options->ports.count; i++)
		TRY(add_port(ret, options->ports.items[i]));
	return NULL;
}

static fallible find(const CniNetwork **ret, const CniNetworks *networks, const char *name)
{
	*ret = cni_networks_find(networks, name);
	return *ret ? NULL : error_new(ERROR_NOT_FOUND, "there is no network \"%s\"", name);
}

static fallible list(const CniNetworks *networks)
{
	for (size_t i = 0; i < networks->count; i++)
		printf("%s %s %zu\n", networks->items[i]->name, networks->items[i]->version,
			networks->items[i]->plugin_count);
	for (size_t i = 0; i < networks->problems.count; i++)
		printf("%s\n", networks->problems.items[i]);
	return NULL;
}

static fallible add(Driver *driver, const CniPlace *place, const CniNetwork *network, int namespace_fd)
{
	autoclear(CniAttachment) attachment = {0};

	TRY(read_attachment(&attachment, &driver->options));
	return cni_add(&driver->run, place, network, &attachment, namespace_fd, on_done, driver);
}

static fallible start(Driver *driver, const CniPlace *place, const char *verb, const CniNetwork *network)
{
	const DriverOptions *options = &driver->options;
	autofd namespace_fd = options->netns ? open(options->netns, O_RDONLY | O_CLOEXEC) : -1;

	if (string_equal(verb, "add"))
		return add(driver, place, network, namespace_fd);
	if (string_equal(verb, "verify"))
		return cni_verify(&driver->run, place, network, on_done, driver);
	return (string_equal(verb, "check") ? cni_check : cni_del)(
		&driver->run, place, options->container, options->interface, namespace_fd, on_done, driver);
}

static fallible drive(Driver *driver, const StringList *words)
{
	autoclear(CniNetworks) networks = {0};
	const CniPlace place = {.loop = driver->loop,
		.records = driver->options.records,
		.directories = &driver->options.plugins,
		.timeout_ns = driver->options.timeout_ns};
	const char *verb = words->count ? words->items[0] : "list";
	const CniNetwork *network = NULL;

	TRY(cni_networks_read(&networks, driver->options.config));
	if (string_equal(verb, "list"))
		return list(&networks);
	if (words->count > 1)
		TRY(find(&network, &networks, words->items[1]));
	TRY(start(driver, &place, verb, network));
	return loop_run(driver->loop);
}

int main(int argc, char **argv)
{
	Driver driver = {.options = {.timeout_ns = 30 * NANOS_PER_SECOND}};
	autoclear(StringList) words = {0};
	Error *error = options_parse(options_table, &driver.options, argc - 1, argv + 1, 0, &words);

	log_set_name("cni-driver");
	log_set_level(LOG_LEVEL_DEBUG);
	if (!error)
		error = loop_new(&driver.loop);
	if (!error)
		error = drive(&driver, &words);
	if (error) {
		driver.status = 2;
		tell(error, NULL);
	}
	cni_run_free(driver.run);
	loop_free(driver.loop);
	options_clear(options_table, &driver.options);
	return driver.status;
}
