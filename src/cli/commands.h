// SPDX-License-Identifier: Apache-2.0
#pragma once
/* All commands: one file each, named after it. */
#include "cli/cli.h"

/* Archives and room on the disk. */
extern const Command save_command, import_command, export_command, history_command, container_prune_command,
	image_prune_command, system_df_command, system_prune_command;

extern const Command volume_create_command, volume_ls_command, volume_inspect_command, volume_rm_command,
	volume_prune_command;

/* Files of containers. */
extern const Command cp_command, diff_command, commit_command;

/* What is there to be seen. */
extern const Command top_command, port_command, search_command, network_ls_command, network_inspect_command;

extern const Command attach_command, create_command, exec_command, events_command, images_command, info_command, inspect_command,
	image_inspect_command, container_inspect_command, kill_command, load_command, pause_command, rename_command,
	unpause_command, update_command, login_command, logout_command, logs_command, ps_command, pull_command,
	push_command, restart_command, rm_command, rmi_command, run_command, start_command, stats_command, stop_command,
	system_check_command, tag_command, version_command, wait_command;
