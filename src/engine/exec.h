// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Commands that run in a running container beside its own. Each has a kedge-shim of its own, in a directory of its own
 * (<run dir>/containers/<id>/execs/<exec id>), so that it goes on when kedged ends, and the next kedged adopts it. What
 * has ended is remembered for a while, as Docker does, and forgotten with its container. Callers that keep an Exec hold
 * an exec_ref().
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/container.h"

enum { EXECS_PER_CONTAINER_MAX = 1024, EXECS_MAX = 4096 };

typedef struct Exec Exec;

typedef struct ExecSpec {
	StringList command;
	StringList env; /* over the container's; a bare NAME takes a variable away */
	char *user;     /* the container's when NULL or empty */
	char *workdir;  /* the same */
	bool tty, privileged;
	bool attach_stdin, attach_stdout, attach_stderr;
	char *detach_keys;                     /* as given; NULL: the defaults */
	int64_t console_rows, console_columns; /* of its terminal when it starts; 0: nobody knows */
} ExecSpec;

extern const Field exec_spec_fields[]; /* the stored form */
void exec_spec_clear(ExecSpec *spec);
DEFINE_AUTOCLEAR(ExecSpec, exec_spec_clear)

typedef enum ExecState { EXEC_CREATED, EXEC_STARTING, EXEC_RUNNING, EXEC_ENDED, EXEC_STATES } ExecState;

typedef struct ExecView {
	const char *id; /* 64 hex */
	const char *container_id;
	const ExecSpec *spec;
	ExecState state;
	int pid; /* 0: it has never run */
	int exit_code;
} ExecView;

/* ERROR_CONFLICT unless the container runs and is not paused. */
fallible exec_create(Exec **ret, Container *container, const ExecSpec *spec);
/* ERROR_NOT_FOUND `No such exec instance: x`. What its shim has said already is heard first: who has just seen the end
 * of its output is told of its end. */
fallible exec_find(Exec **ret, Engine *engine, const char *id);
fallible exec_check_container(const Exec *exec); /* ERROR_CONFLICT unless it runs and is not paused */
void exec_view(const Exec *exec, ExecView *ret);
/* Ids of those that have not ended. */
void container_exec_ids(StringList *ret, const Container *container);
Exec *exec_ref(Exec *exec);
Exec *exec_unref(Exec *exec);
DEFINE_AUTOPTR(Exec, exec_unref)

/* A reader of the output, which comes through us: asked for before the start, so that no byte is missed. One at most.
 */
void exec_follow(Exec *exec, const AttachHandlers *handlers, void *arg);
/* For the next program, which goes on where this one stops to read: lent; -1: there is nothing to read from yet. */
int exec_follow_descriptor(const Exec *exec);
fallible exec_follow_again(Exec *exec, int fd, const AttachHandlers *handlers, void *arg); /* fd: taken */
void exec_follow_pause(Exec *exec, bool paused);
/* Nothing where somebody else follows. */
void exec_unfollow(Exec *exec, const void *arg);

/* A client whose socket becomes the command's own: the shim's, with which it goes on whatever becomes of us. */
typedef struct ExecClient {
	int fd; /* lent: until it runs, the caller can still tell the client that it does not */
	bool is_framed;
	const char *early; /* input that came with the request; may be NULL */
	size_t early_length;
} ExecClient;

/* client: may be NULL. rows and columns: 0 for what it was created with. done: it runs, or the reason why it does not.
 * ERROR_CONFLICT when it was started before. One that could not be started has ended with 126. */
typedef struct ExecStart {
	const ExecClient *client;
	int64_t console_rows, console_columns;
} ExecStart;
fallible exec_start(Exec *exec, const ExecStart *start, ContainerDone *done, void *arg);
fallible exec_resize(Exec *exec, int rows, int columns); /* of its terminal, in characters */
