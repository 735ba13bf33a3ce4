// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A container as the engine's own files see it. Callers see container.h. */
#include "engine/internal.h"

/* What is stored, as JSON, by container_record_fields. */
typedef struct ContainerRecord {
	char *name;
	char *image_id;
	int state; /* ContainerState; live ones are stored as running */
	int64_t pid;
	int64_t exit_code;
	bool oom_killed;
	char *error;
	int64_t created_ns, started_ns, finished_ns;
	int64_t restart_count;
	int64_t run;       /* number of starts: tells this start's exit file from an earlier one's */
	char *boot_id;     /* of the last start */
	bool user_stopped; /* restart policies leave it alone */
	char *stopped_for; /* why, where no person has stopped it; NULL */
	bool set_aside;    /* so they do, and it was no person: container_set_aside() */
	int64_t stop_run;  /* the run that a stop was asked for; it may still be under way */
	int64_t stop_signal, stop_deadline_ns; /* of that: on the monotonic clock of this boot; 0: for ever */
	bool start_again;                      /* the stop is the first half of a restart */
	StringList image_digests;              /* of the image that it was made from, at that time: admission.h */
	ContainerSpec spec;
} ContainerRecord;

typedef struct Health Health;

/* What a run has on its networks; endpoints.c. Kept in the run directory, for the next kedged. */
typedef struct NetworkRun {
	FieldArray endpoints;                   /* Endpoint */
	FieldArray ports;                       /* PortBinding */
	bool is_published;                      /* packets are sent on to it: there is something to be withdrawn */
	bool relay_follows;                     /* its shim can be told where to relay to: earlier ones cannot */
	int64_t names_udp_port, names_tcp_port; /* to which 127.0.0.11 port 53 leads; 0: nowhere */

	int names_udp, names_tcp; /* -1, or until kedge-dns has them */

	/* until the shim has them */
	int namespace_fd;      /* -1: none */
	int *held;             /* sockets of its ports */
	uint16_t *relay_ports; /* of each: the container's port that its shim relays to; 0: none */
	size_t held_count;
} NetworkRun;

struct Container {
	List link;
	Engine *engine;
	int references;
	bool removed;

	char id[65];
	ContainerRecord record;
	ContainerState state;

	char *bundle;          /* <run dir>/containers/<id> */
	char *state_directory; /* <root>/containers/<id> */
	char *log_path;
	char *cgroup;

	Shim *shim;           /* of this run; there until its process ended */
	bool exit_seen;       /* of this run */
	bool start_is_untold; /* it has begun and ended at once: told when both are on record */
	bool cleaning;        /* the last run's processes are not gone yet */
	Source *cleaner;
	int clean_tries;
	int commit_pauses;     /* commits that want it to stay paused (commit.c) */
	int copies;            /* that write into its files (copy_in.h): it starts and goes when they have ended */
	bool launch_when_gone; /* a start waits for the last run to be cleaned up, or for its profile */
	bool undecided; /* after a restart of kedged: the record is not live, but a shim is there; it will tell, or its
			   end will */
	bool shim_listens; /* this run's shim takes connections */
	bool is_planned;   /* this run is started from a plan, without a runtime */

	NetworkRun network;
	struct CniWork *cni;     /* plugins of its networks; NULL: it has none */
	struct Aside *preparing; /* its volumes */
	bool prepares_later;     /* when another one's file system was unmounted */

	Source *retry; /* restart policy */
	int64_t retry_delay_ns;
	int64_t started_monotonic_ns;

	Source *freezer; /* a pause that is under way */
	int freeze_looks;

	Source *kill_timer;    /* stop: KILL when it fires */
	int pending_signal;    /* stop or kill asked while starting */
	int64_t lived_ns;      /* the last run */
	bool oom_is_news;      /* at its end: nobody was told yet */
	bool rebooted;         /* its last end was a reboot from inside: it is started again */
	bool is_refused;       /* its last try to start: a restart policy waits until that changes */
	bool is_withdrawn;     /* it is not allowed any more: enforcement.c removes it */
	bool remove_when_dead; /* forced remove or automatic removal waits for the exit */
	bool remove_volumes;

	List starts;   /* Completion: callers of start */
	List removals; /* Completion: callers of remove */
	List pauses;   /* Completion: callers of pause */
	List fills;    /* Completion: callers of fill */
	List updates;  /* Update: the first one is at work */
	List waits;    /* ContainerWait */
	List attaches; /* ContainerAttach */
	List execs;    /* Exec */
	List clients;  /* those that wait for a start, hand_over.c */

	Health *health; /* NULL when the container has no check or does not run */
	HealthState health_state;
	int64_t health_streak;
	HealthProbe health_log[HEALTH_LOG_KEPT];
	size_t health_log_count;
};

extern const Field container_record_fields[];

/* ---- container.c ---- */
Container *container_new(Engine *engine, const char *id);
void container_free(Container *container);
void container_place(Container *container); /* its control group, by its record */
void container_index(Container *container); /* into the engine's tables */
void container_unindex(Container *container);

/* ---- state.c: one table, one door (invariant 10) ---- */
void container_move(Container *container, ContainerState next);
fallible container_save(Container *container);
void container_save_or_log(Container *container); /* for changes that nobody waits for */
void container_event(Container *container, const char *action, const char *key, const char *value);
void container_event_with(Container *container, const char *action, const StringMap *own);

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_START_FAILED = 128, EXIT_SHIM_LOST = 137 };

/* ---- launch.c ---- */
fallible container_launch(Container *container);
void container_launch_failed(
	Container *container, int exit_code, Error *take_error); /* told, recorded, judged by the policy */
void container_launch_later(Container *container);               /* by a policy: failures end in the record */
const Runtime *container_runtime(const Container *container);    /* NULL: there is none of that name any more */
void container_hostname(char ret[256], const Container *container);
/* For crun, and for a shim that is to become a container's process. */
fallible container_seal_programs(Engine *engine, const Runtime *runtime, ShimOptions *options);

/* ---- profile.c ---- */
fallible profile_load(const Engine *engine); /* at start: waits */
/* Its start goes on, or fails, when the default AppArmor profile was loaded: as one that has launch_when_gone. */
bool profile_is_awaited(const Container *container);

/* ---- life.c ---- */
extern const ShimHandlers container_shim_handlers;
void container_signal(Container *container, int signal); /* through the shim; a failure is logged */
void container_handle_exit(Container *container, const ShimStatus *status);
void container_handle_exit_file(Container *container, const ShimStatus *status); /* an end, or a start that failed */
void container_count_unknown_start(Container *container);                        /* a start that kedged died in */
void container_shim_lost(Container *container);
void container_run_cleaned(Container *container);
void container_set_error(Container *container, const char *text);

/* ---- clean.c: kills and removes what a run has left outside its state directory; container_run_cleaned() follows,
 * later when `cleaning` is set ---- */
void container_clean_run(Container *container);

/* ---- completions: done runs from the loop, never inside a call ---- */
typedef struct Completion {
	List link;
	ContainerDone *done;
	void *arg;
} Completion;
void completion_add(List *list, ContainerDone *done, void *arg);
void completions_finish(List *list, const Error *error); /* each gets a copy of error, or NULL */
void completion_later(Engine *engine, ContainerDone *done, void *arg, Error *take_error);

/* ---- wait.c ---- */
void container_waits_exit(Container *container);
void container_waits_removed(Container *container);

/* ---- attach.c ---- */
Shim *container_attach_shim(const ContainerAttach *attach, Container **ret); /* lent; of one that is held */
void container_attaches_connect(Container *container);                       /* a start's socket listens now */
void container_attaches_end(Container *container);

/* ---- exec.c ---- */
void container_execs_restore(Container *container); /* those that run go on */
void container_execs_end(Container *container);     /* it has ended, or is about to begin again */
void container_execs_forget(Container *container);  /* it is removed, or kedged ends */

/* ---- hand_over.c ---- */
fallible container_clients_hand_over(Container *container); /* a start's socket listens now */
void container_clients_end(Container *container);           /* nothing more to wait for */

/* ---- orders.c ---- */
/* The same as a stop, with the container's own signal and time, but nobody has asked for it: no word of it is noted. */
fallible container_stop_unasked(Container *container, ContainerDone *done, void *arg);
void container_calls_end(Container *container);    /* kedged ends: whoever still waits for an order is let go */
void container_stop_resume(Container *container);  /* a stop or restart that kedged died in goes on */
void container_start_resume(Container *container); /* the second half of such a restart */

/* ---- restart.c ---- */
typedef struct RestartQuestion {
	RestartPolicy policy;
	int64_t max_attempts, attempts;
	int exit_code;
	bool user_stopped;
	bool rebooted; /* from inside: whatever the policy says */
} RestartQuestion;
bool restart_wanted(const RestartQuestion *question);
/* The delay before the next try: doubles from 100 ms to a minute, starts over after ten seconds of life. */
int64_t restart_delay_ns(int64_t last_delay_ns, int64_t lived_ns);
bool container_restart_if_wanted(Container *container, int64_t lived_ns); /* arms the timer, moves to RESTARTING */
bool container_restart_soon(Container *container, int64_t lived_ns);      /* that has been decided */
void container_retry_cancel(Container *container);

/* ---- health.c ---- */
void health_begin(Container *container);
void health_end(Container *container);
void health_pause(Container *container); /* a check that is frozen does not count */
void health_exec_exited(Container *container, const ShimExecExit *exit, const char *output, size_t length);

/* ---- remove.c ---- */
void container_remove_now(Container *container);
void container_remove_if_due(Container *container); /* it has ended, and is to go with its end */

/* ---- share.c: namespaces of other containers ---- */
enum { SHARE_PATH_MAX = 64 };
typedef struct Shares { /* "": none */
	char pid[SHARE_PATH_MAX], ipc[SHARE_PATH_MAX], network[SHARE_PATH_MAX];
	int64_t shm_pid; /* process whose /dev/shm is shared; 0: none */
} Shares;
fallible share_resolve(ContainerSpec *spec, Engine *engine);      /* names become ids; before the image is merged */
fallible share_find(Shares *ret, const Container *container);     /* ERROR_CONFLICT when the other does not run */
const Container *share_network_owner(const Container *container); /* itself, unless it joined another's network */

/* ---- etc_files.c: /etc/hosts, /etc/hostname, /etc/resolv.conf, in the container's directory ---- */
fallible etc_files_check(const Engine *engine, const ContainerSpec *spec); /* at create */
fallible etc_files_write(const Container *container, const char *hostname);
fallible etc_files_follow(const Container *container, bool had_names); /* it has joined or left a network */
fallible etc_hosts_write(const Container *container); /* of one that runs, when its addresses have changed */

/* ---- sources.c: the host's side of binds ---- */
fallible sources_check(const ContainerSpec *spec); /* at create: what is not made must be there */
/* At each start. What may take long to look at is for the shim to make. */
fallible sources_make(StringList *ret_distant, const ContainerSpec *spec);

/* ---- volumes.c ---- */
/* At create, before the spec is checked: other containers' volumes and those without a name become mounts. */
fallible volumes_resolve(ContainerSpec *spec, Engine *engine);
fallible volumes_make(
	ContainerSpec *spec, Engine *engine); /* each mount of one has its name then; also with an error */
fallible volumes_put_anonymous(const ContainerSpec *spec, Engine *engine); /* in the transaction that makes it */
void volumes_remove_anonymous(const ContainerSpec *spec, Engine *engine);  /* those that nobody else uses */
/* Those that are to go in the transaction that deletes the container, and what follows it. */
void volumes_that_go(StringList *ret, const Container *container);
void volumes_gone(const StringList *names, Engine *engine);
fallible volumes_check(const Container *container); /* at each start: they are there */
void volumes_mounted(const Container *container);   /* it has started, and has ended: told */
void volumes_unmounted(const Container *container);
/* *ret_waits: they are mounted or filled first, and the start goes on, or fails, when that is done: as one that has
 * launch_when_gone. */
fallible volumes_await(Container *container, bool *ret_waits);
void volumes_forget(Container *container); /* it goes: whatever is done for it ends */

/* ---- restore.c ---- */
fallible containers_restore(Engine *engine);
/* A container without a record, because that was damaged say, goes on: engine_check() tells of it, and ends it when it
 * is asked to. *ret is NULL when it does not run. */
fallible unknown_run_connect(Shim **ret, Engine *engine, const char *id);
bool container_restore_unknown_exit(
	Container *container); /* true: a start that kedged died in has ended, and was taken up */
void container_restore_without_shim(Container *container); /* nothing holds it: the exit file or the policies decide */

/* ---- commit.c ---- */
void container_commit_thaw(Container *container); /* if a commit that kedged died in has paused it */

/* ---- pause.c ---- */
fallible container_go_on(Container *container);  /* of one that is paused, without asking whether it may run */
void container_thaw(Container *container);       /* paused or about to be: it is to take a signal that ends it */
void container_pause_ends(Container *container); /* it has ended: whoever waits for a pause is told */

/* ---- update.c ---- */
void container_updates_end(Container *container, const Error *error); /* who waits for one gets a copy of error */

/* ---- name.c ---- */
char *name_invent(Engine *engine);
fallible name_check(const char *name);
fallible name_claim(char **ret, Engine *engine, const char *name); /* without its slash; ERROR_CONFLICT when taken */
