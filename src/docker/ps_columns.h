// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What ps(1) would show of a process, by the arguments that people give it: the options that choose columns, and a
 * table of columns. Options that choose processes (-e, -a, x) make no difference: the container has chosen. Source:
 * procps's ps(1), proc(5).
 */
#include <sys/types.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { PS_COLUMNS_MAX = 64 };

typedef struct PsProcess {
	const char *pid;
	char name[64], state;
	long parent, group, session, terminal_group, priority, nice, threads, processor, pages;
	int terminal;
	unsigned long long ticks, start_ticks, bytes; /* user and system time; start since boot; virtual memory */
	uid_t uid;
	char *user, *command; /* owned */
} PsProcess;

void ps_process_clear(PsProcess *process);
DEFINE_AUTOCLEAR(PsProcess, ps_process_clear)

typedef struct PsColumn {
	const char *name, *title;
	void (*write)(Buffer *out, const PsProcess *process);
} PsColumn;

typedef struct PsFormat {
	struct {
		const PsColumn *column;
		char title[32];
	} items[PS_COLUMNS_MAX];
	size_t count;
} PsFormat;

/* arguments: as one line; "" and NULL are "-ef". An option or a column that is not known is refused by name; so is a
 * format without PID, which Docker needs. */
fallible ps_format_read(PsFormat *ret, const char *arguments);
