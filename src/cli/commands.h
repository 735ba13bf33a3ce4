// SPDX-License-Identifier: Apache-2.0
#pragma once
/* All commands: one file each, named after it. */
#include "cli/cli.h"

/* Archives and room on the disk. */
extern const Command save_command, import_command, export_command, history_command, container_prune_command,
	image_prune_command, system_df_command, system_prune_command;

extern const Command volume_create_command, volume_ls_command, volume_inspect_command, volume_rm_command,
	volume_export_command, volume_import_command, volume_prune_command;

/* Containers of another engine. */
extern const Command external_ls_command, external_start_command, external_stop_command, external_restart_command,
	external_rm_command;

extern const Command service_show_command, service_on_command, service_off_command, service_set_command;

extern const Command enforcement_show_command, enforcement_on_command, enforcement_off_command,
	enforcement_allow_command, enforcement_disallow_command, enforcement_dry_run_command,
	enforcement_removed_command;

/* What is declared. */
extern const Command apply_command, get_command, set_command, delete_command, snapshots_ls_command,
	snapshots_show_command, snapshots_diff_command, snapshots_rollback_command;

/* Files of containers. */
extern const Command cp_command, diff_command, commit_command;

/* Declared containers. */
extern const Command convert_command;

/* What is there to be seen. */
extern const Command top_command, port_command, search_command;

extern const Command network_create_command, network_ls_command, network_inspect_command, network_connect_command,
	network_disconnect_command, network_rm_command, network_prune_command;

extern const Command attach_command, create_command, exec_command, events_command, images_command, info_command,
	inspect_command, image_inspect_command, container_inspect_command, kill_command, load_command, pause_command,
	rename_command, unpause_command, update_command, login_command, logout_command, passwd_command, logs_command, ps_command,
	pull_command, push_command, restart_command, rm_command, rmi_command, run_command, start_command, stats_command,
	stop_command, system_check_command, system_firewall_command, tag_command, version_command, wait_command;
