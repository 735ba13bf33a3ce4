// SPDX-License-Identifier: Apache-2.0
/* The default AppArmor profile is in the kernel since we started, but somebody may have unloaded it: apparmor_parser is
 * run by a child then, and the starts that need it wait. */
#include "base/aside.h"
#include "base/files.h"
#include "engine/container_internal.h"
#include "runtime/apparmor.h"

static char *profile_file(const Engine *engine)
{
	return path_join(engine->config.run_dir, "apparmor.profile");
}

fallible profile_load(const Engine *engine)
{
	autofree char *file = profile_file(engine);

	return apparmor_load_default(file);
}

/* ---- in the child ---- */

static Error *load_and_look(const void *arg)
{
	TRY(profile_load(arg));
	return apparmor_check(APPARMOR_DEFAULT);
}

/* ---- starts that wait ---- */

static bool waits_for_profile(const Container *container)
{
	return container->launch_when_gone && !container->shim && !container->cleaning;
}

static void go_on(Container *container, const Error *error)
{
	container->launch_when_gone = false;
	if (error)
		container_launch_failed(container, EXIT_START_FAILED, error_copy(error));
	else
		container_launch_later(container);
}

static void loaded(void *arg, Error *take_error)
{
	Engine *engine = arg;

	engine->profile = aside_free(engine->profile);
	list_each(&engine->container_order, Container, link, container)
		if (waits_for_profile(container))
			go_on(container, take_error);
	error_free(take_error); /* each start had its copy */
}

static fallible begin(Engine *engine)
{
	autofree char *file = profile_file(engine);
	bool is_there;

	TRY(apparmor_has_default(&is_there, file));
	return is_there ? NULL : aside_start(&engine->profile, engine->loop, load_and_look, engine, -1, loaded, engine);
}

bool profile_is_awaited(const Container *container)
{
	Engine *engine = container->engine;
	Error *error;

	if (!engine->apparmor || container_apparmor(container) != engine->apparmor)
		return false;
	error = engine->profile ? NULL : begin(engine);
	if (error)
		error_log(
			error, "could not load AppArmor profile \"%s\"", engine->apparmor); /* the start fails by it */
	return engine->profile != NULL;
}
