// SPDX-License-Identifier: Apache-2.0
/* Prints the config.json for a stored container spec on standard input, so that tests can give it to a runtime. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/options.h"
#include "runtime/bundle.h"

typedef struct Arguments {
	char *id, *rootfs, *cgroup, *cache;
	bool json;
} Arguments;

#define AT(member) .offset = offsetof(Arguments, member)
static const Option options[] = {
	{"id", 0, OPTION_STRING, AT(id), "ID", "the container's id"},
	{"rootfs", 0, OPTION_STRING, AT(rootfs), "DIR", "absolute path of the root"},
	{"cgroup", 0, OPTION_STRING, AT(cgroup), "PATH", "cgroupsPath"},
	{"cache", 0, OPTION_STRING, AT(cache), "DIR", "where seccomp programs are kept"},
	{"json", 0, OPTION_SWITCH, AT(json), NULL, "seccomp as JSON instead of a ready-made program"},
	OPTION_END,
};

static fallible write_bundle(Buffer *out, const Arguments *arguments, const ContainerSpec *spec)
{
	autoptr(CgroupLayout) cgroups = NULL;
	autoptr(SeccompCache) cache = NULL;
	autoclear(StringList) layers = {0};
	UserIds user;

	strings_add(&layers, arguments->rootfs);
	TRY(user_resolve(&user, spec->user, &spec->groups, &layers));
	TRY(cgroup_layout_read(&cgroups));
	TRY(seccomp_cache_open(&cache, arguments->cache));
	const BundleInput input = {
		.id = arguments->id,
		.spec = spec,
		.rootfs = arguments->rootfs,
		.user = &user,
		.hostname = spec->hostname ? spec->hostname : "tested",
		.cgroup = arguments->cgroup,
		.cgroups = cgroups,
		.seccomp = cache,
		.seccomp_ready_made = !arguments->json,
	};
	return bundle_write(out, &input);
}

static fallible run(int argc, char **argv)
{
	Arguments arguments = {0};
	autoclear(StringList) rest = {0};
	autoclear(ContainerSpec) spec;
	autoclear(Buffer) out = {0};
	autofree char *text = NULL;

	container_spec_init(&spec);
	TRY(options_parse(options, &arguments, argc, argv, 0, &rest));
	TRY(file_read_fd(&text, NULL, STDIN_FILENO, "standard input", 1 << 20));
	TRY(fields_read_text(container_spec_fields, &spec, "container spec", text, strlen(text), FIELDS_STRICT));
	TRY(container_spec_parse_binds(&spec));
	TRY(container_spec_check(&spec));
	TRY(write_bundle(&out, &arguments, &spec));
	puts(buffer_text(&out));
	options_clear(options, &arguments);
	return NULL;
}

int main(int argc, char **argv)
{
	Error *error = run(argc, argv);

	if (!error)
		return 0;
	fprintf(stderr, "make_bundle: %s\n", error_message(error));
	error_free(error);
	return 1;
}
