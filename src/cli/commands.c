// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

/* In the order of "kedge --help". */
const Command *const commands[] = {
	&run_command,
	&create_command,
	&start_command,
	&stop_command,
	&restart_command,
	&kill_command,
	&wait_command,
	&rm_command,
	&ps_command,
	&inspect_command,
	&logs_command,
	&stats_command,
	&attach_command,
	&pull_command,
	&push_command,
	&images_command,
	&rmi_command,
	&tag_command,
	&load_command,
	&login_command,
	&logout_command,
	&events_command,
	&info_command,
	&version_command,
	&container_inspect_command,
	&image_inspect_command,
	NULL,
};
