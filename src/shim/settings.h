// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What a shim is told on its command line; it reads no file and no environment. The strings live as long as the
 * program. */
#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"

typedef struct ShimSettings {
	char *id;
	int64_t run;
	char *bundle, *state;
	char *runtime, *runtime_root;
	StringList runtime_options;
	int64_t runtime_fd; /* the runtime's program as an open file; -1: `runtime` is executed */
	bool is_crun;
	bool has_stdin; /* else it is /dev/null */
	bool has_terminal;
	bool is_planned; /* started from the bundle's plan, without the runtime */
	char *exec;      /* process file of a command in the container, which runs; NULL: the container itself */
	char *layers, *lower, *upper, *work;
	StringList distant;     /* distant.h */
	StringList sources;     /* sources.h */
	int64_t shm_pid;        /* 0: none */
	bool is_volatile;       /* nobody needs the upper directory after a power cut */
	char *relay_to;         /* the container's address */
	StringList relay_ports; /* relayed.h */
	int64_t relay_idle_ms;
	bool is_relay;   /* this is the relay, and no shim: netns_fd is the host's */
	int64_t life_fd; /* of the relay */
	int64_t unplug;  /* not 0: this is no shim; what goes is unplug.h's */
	char *cgroup;    /* "/kedge/<id>"; NULL: the runtime cleans up */
	char *oom_file;
	char *log_driver, *log_forward;
	int64_t log_max_size, log_max_files;
	bool log_compress;
	int64_t start_timeout_ms;
	int64_t listen_fd;           /* -1: the shim makes its socket */
	int64_t netns_fd;            /* the container's network namespace; -1: the runtime makes it */
	int64_t held_fd, held_count; /* sockets that keep the container's ports: held_fd, held_fd + 1, ... */
	bool help, version;
} ShimSettings;

extern const Option shim_options[];

void shim_settings_init(ShimSettings *settings);
fallible shim_settings_check(const ShimSettings *settings);
