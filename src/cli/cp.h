// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * `cp` by the rules of docker's program: what a source and a destination become depends on what is there and on a "/"
 * or "/." behind them. Source: moby pkg/archive/copy.go; docker cli/command/container/cp.go.
 */
#include "cli/cli.h"
#include "cli/progress.h"

typedef struct CpOptions {
	bool help, archive, follow_link, quiet;
} CpOptions;

/* "NAME:PATH". */
typedef struct CpPlace {
	char *container; /* NULL: of this machine */
	char *path;
} CpPlace;

/* One end of a copy. */
typedef struct CpEnd {
	const char *path;
	bool exists, is_directory;
	const char *name; /* in the archive, where it is another than the path's last part; NULL: none */
	int64_t size;     /* 0: nobody knows how much is in it */
} CpEnd;

typedef struct CpStat {
	bool exists;
	uint32_t mode; /* Go's */
	int64_t size;
	char *target; /* of a link */
} CpStat;

/* How far a copy has come, on a terminal. */
typedef struct CpMoving {
	Progress *progress;
	Buffer what;
	int64_t total; /* 0: not known */
} CpMoving;

enum { CP_MODE_DIRECTORY_BIT = 31, CP_MODE_LINK_BIT = 27 };

void cp_stat_clear(CpStat *stat);
DEFINE_AUTOCLEAR(CpStat, cp_stat_clear)

/* What is at the path; not there, or no such container: it does not exist. */
fallible cp_stat(Cli *cli, CpStat *ret, const CpPlace *place);
/* Docker's SplitPathDirEntry: "/a/b/" is "/a" and "b", "/a/b/." is "/a/b" and ".". */
void cp_split(const char *path, char **ret_directory, char **ret_base);
/* Where the archive is to be unpacked, and what its root is called there: NULL, as it is. */
fallible cp_plan(char **ret_directory, char **ret_name, const CpEnd *source, const CpEnd *target);
void cp_moving_init(CpMoving *moving, const CpOptions *options, const char *what, int64_t total);
void cp_moving_clear(CpMoving *moving); /* from the screen too */
DEFINE_AUTOCLEAR(CpMoving, cp_moving_clear)
/* bytes: of the archive, whose heads are not in total. */
void cp_moved(void *moving, int64_t bytes);
void cp_tell(const CpOptions *options, int64_t bytes, const char *target);

fallible cp_to(Cli *cli, const CpOptions *options, const char *source, const CpPlace *target);
fallible cp_from(Cli *cli, const CpOptions *options, const CpPlace *source, const char *target);
