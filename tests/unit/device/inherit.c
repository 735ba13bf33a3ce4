// SPDX-License-Identifier: Apache-2.0
/* Which volumes a container has of the one before it: those without a name, where it still wants one. */
#include "device/inherit.h"

#include "base/memory.h"
#include "check.h"

static MountSpec *add(ContainerSpec *spec, int kind, const char *target, const char *source)
{
	MountSpec *mount = container_spec_add_mount(spec);

	mount->kind = kind;
	mount->target = mem_strdup(target);
	mount->source = source ? mem_strdup(source) : NULL;
	return mount;
}

static void add_before(ContainerSpec *spec, const char *target, const char *source, bool is_anonymous)
{
	add(spec, MOUNT_VOLUME, target, source)->is_anonymous = is_anonymous;
}

/* "/data=1a2b named", in the order of the spec's mounts */
static char *mounts_of(const ContainerSpec *spec)
{
	const MountSpec *mounts = spec->mounts.items;
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < spec->mounts.count; i++)
		buffer_printf(&text, "%s%s=%s%s%s", i ? " " : "", mounts[i].target,
			mounts[i].source ? mounts[i].source : "", mounts[i].is_anonymous ? ",anonymous" : "",
			mounts[i].is_lent ? ",lent" : "");
	return buffer_steal(&text);
}

static void those_without_a_name_are_handed_on(void **state)
{
	autoclear(ContainerSpec) spec, before;
	autoclear(ImageConfig) image = {0};

	(void)state;
	container_spec_init(&spec);
	container_spec_init(&before);
	strings_add(&image.config.volumes, "/image/");
	strings_add(&image.config.volumes, "/named");
	strings_add(&image.config.volumes, "/new");
	add_before(&before, "/own", "aa", true);
	add_before(&before, "/image", "bb", true);
	add_before(&before, "/gone", "cc", true); /* nobody wants it any more */
	add_before(&before, "/named", "dd", true);
	add_before(&before, "/tmp", "ee", true);
	add_before(&before, "/was-named", "shared", false);
	add(&before, MOUNT_BIND, "/bind", "/srv");
	add(&spec, MOUNT_VOLUME, "/own", NULL);
	add(&spec, MOUNT_VOLUME, "/named", "shared"); /* by its name by now */
	add(&spec, MOUNT_TMPFS, "/tmp", NULL);
	add(&spec, MOUNT_VOLUME, "/was-named", NULL); /* what has a name is not one of its own */
	inherit_volumes(&spec, &before, &image);
	check_text(mounts_of(&spec), "/own=aa,anonymous,lent /named=shared /tmp= /was-named= /image=bb,anonymous,lent");
}

static void one_of_other_options_is_another(void **state)
{
	autoclear(ContainerSpec) spec, before;
	autoclear(ImageConfig) image = {0};

	(void)state;
	container_spec_init(&spec);
	container_spec_init(&before);
	add_before(&before, "/a", "aa", true);
	add_before(&before, "/b", "bb", true);
	map_set(&((MountSpec *)before.mounts.items)[1].driver_options, "type", "tmpfs");
	map_set(&add(&spec, MOUNT_VOLUME, "/a", NULL)->driver_options, "type", "tmpfs");
	map_set(&add(&spec, MOUNT_VOLUME, "/b", NULL)->driver_options, "type", "tmpfs");
	inherit_volumes(&spec, &before, &image);
	check_text(mounts_of(&spec), "/a= /b=bb,anonymous,lent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_without_a_name_are_handed_on),
		cmocka_unit_test(one_of_other_options_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
