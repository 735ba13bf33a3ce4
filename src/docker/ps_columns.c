// SPDX-License-Identifier: Apache-2.0
#include "docker/ps_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

enum { MAJOR_TTY = 4, MAJOR_PTS_FIRST = 136, MAJOR_PTS_LAST = 143, DAY_S = 24 * 3600 };

void ps_process_clear(PsProcess *process)
{
	free(process->user);
	free(process->command);
	*process = (PsProcess){0};
}

/* ---- figures ---- */

static unsigned long long seconds_used(const PsProcess *process)
{
	return process->ticks / sysconf(_SC_CLK_TCK);
}

static int64_t age_ns(const PsProcess *process)
{
	return clock_monotonic_ns() - (int64_t)process->start_ticks * (NANOS_PER_SECOND / sysconf(_SC_CLK_TCK));
}

static long kilobytes(const PsProcess *process)
{
	return process->pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static double cpu_percent(const PsProcess *process)
{
	double used_ns = (double)process->ticks * (double)(NANOS_PER_SECOND / sysconf(_SC_CLK_TCK));
	double lived_ns = (double)age_ns(process);

	return lived_ns > 0 ? used_ns * 100 / lived_ns : 0;
}

/* ---- columns ---- */

static void put_pid(Buffer *out, const PsProcess *process)
{
	buffer_add_text(out, process->pid);
}

static void put_parent(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->parent);
}

static void put_group(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->group);
}

static void put_session(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->session);
}

static void put_user(Buffer *out, const PsProcess *process)
{
	if (process->user)
		buffer_add_text(out, process->user);
	else
		buffer_printf(out, "%u", (unsigned)process->uid);
}

static void put_uid(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%u", (unsigned)process->uid);
}

static void put_name(Buffer *out, const PsProcess *process)
{
	buffer_add_text(out, process->name);
}

static void put_command(Buffer *out, const PsProcess *process)
{
	if (process->command)
		buffer_add_text(out, process->command);
	else
		buffer_printf(out, "[%s]", process->name);
}

static void put_cpu(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%.1f", cpu_percent(process));
}

static void put_cpu_whole(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%d", (int)cpu_percent(process));
}

static void put_memory(Buffer *out, const PsProcess *process)
{
	struct sysinfo info = {0};

	sysinfo(&info);
	double all = (double)info.totalram * info.mem_unit;
	buffer_printf(out, "%.1f", all > 0 ? (double)kilobytes(process) * 1024 * 100 / all : 0);
}

static void put_virtual(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%llu", process->bytes / 1024);
}

static void put_pages(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%llu", process->bytes / (unsigned long long)sysconf(_SC_PAGESIZE));
}

static void put_resident(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", kilobytes(process));
}

static void put_terminal(Buffer *out, const PsProcess *process)
{
	int kind = (int)major(process->terminal), number = (int)minor(process->terminal);

	if (kind >= MAJOR_PTS_FIRST && kind <= MAJOR_PTS_LAST)
		buffer_printf(out, "pts/%d", number + 256 * (kind - MAJOR_PTS_FIRST));
	else if (kind == MAJOR_TTY)
		buffer_printf(out, "tty%d", number);
	else
		buffer_add_char(out, '?');
}

static void put_state_letter(Buffer *out, const PsProcess *process)
{
	buffer_add_char(out, process->state);
}

static void put_state(Buffer *out, const PsProcess *process)
{
	bool is_leader = process->session == strtol(process->pid, NULL, 10);
	bool is_front = process->terminal && process->group == process->terminal_group;

	buffer_printf(out, "%c%s%s%s%s", process->state,
		process->nice < 0   ? "<"
		: process->nice > 0 ? "N"
				    : "",
		is_leader ? "s" : "", process->threads > 1 ? "l" : "", is_front ? "+" : "");
}

static void put_start_as(Buffer *out, const PsProcess *process, const char *format)
{
	time_t start = (clock_wall_ns() - age_ns(process)) / NANOS_PER_SECOND;
	struct tm local;
	char text[64];

	localtime_r(&start, &local);
	strftime(text, sizeof(text), format, &local);
	buffer_add_text(out, text);
}

static void put_start(Buffer *out, const PsProcess *process)
{
	put_start_as(out, process, age_ns(process) < DAY_S * NANOS_PER_SECOND ? "%H:%M" : "%b%d");
}

static void put_long_start(Buffer *out, const PsProcess *process)
{
	put_start_as(out, process, "%a %b %e %H:%M:%S %Y");
}

static void put_time(Buffer *out, const PsProcess *process)
{
	unsigned long long used = seconds_used(process);

	buffer_printf(out, "%02llu:%02llu:%02llu", used / 3600, used / 60 % 60, used % 60);
}

static void put_short_time(Buffer *out, const PsProcess *process)
{
	unsigned long long used = seconds_used(process);

	buffer_printf(out, "%llu:%02llu", used / 60, used % 60);
}

static void put_elapsed(Buffer *out, const PsProcess *process)
{
	long long s = age_ns(process) / NANOS_PER_SECOND;

	if (s >= DAY_S)
		buffer_printf(out, "%lld-", s / DAY_S);
	if (s >= 3600)
		buffer_printf(out, "%02lld:", s / 3600 % 24);
	buffer_printf(out, "%02lld:%02lld", s / 60 % 60, s % 60);
}

static void put_elapsed_seconds(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%lld", (long long)(age_ns(process) / NANOS_PER_SECOND));
}

static void put_threads(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->threads);
}

static void put_nice(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->nice);
}

static void put_priority(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->priority);
}

static void put_processor(Buffer *out, const PsProcess *process)
{
	buffer_printf(out, "%ld", process->processor);
}

static const PsColumn columns[] = {
	{"pid", "PID", put_pid},
	{"tgid", "TGID", put_pid},
	{"ppid", "PPID", put_parent},
	{"pgid", "PGID", put_group},
	{"pgrp", "PGRP", put_group},
	{"sid", "SID", put_session},
	{"sess", "SESS", put_session},
	{"user", "USER", put_user},
	{"uname", "USER", put_user},
	{"euser", "EUSER", put_user},
	{"ruser", "RUSER", put_user},
	{"uid", "UID", put_uid},
	{"euid", "EUID", put_uid},
	{"ruid", "RUID", put_uid},
	{"comm", "COMMAND", put_name},
	{"ucmd", "CMD", put_name},
	{"ucomm", "COMMAND", put_name},
	{"args", "COMMAND", put_command},
	{"command", "COMMAND", put_command},
	{"cmd", "CMD", put_command},
	{"pcpu", "%CPU", put_cpu},
	{"%cpu", "%CPU", put_cpu},
	{"c", "C", put_cpu_whole},
	{"pmem", "%MEM", put_memory},
	{"%mem", "%MEM", put_memory},
	{"vsz", "VSZ", put_virtual},
	{"vsize", "VSZ", put_virtual},
	{"sz", "SZ", put_pages},
	{"rss", "RSS", put_resident},
	{"rsz", "RSZ", put_resident},
	{"rssize", "RSS", put_resident},
	{"tty", "TT", put_terminal},
	{"tt", "TT", put_terminal},
	{"tname", "TTY", put_terminal},
	{"stat", "STAT", put_state},
	{"state", "S", put_state_letter},
	{"s", "S", put_state_letter},
	{"start", "STARTED", put_start},
	{"start_time", "START", put_start},
	{"bsdstart", "START", put_start},
	{"stime", "STIME", put_start},
	{"lstart", "STARTED", put_long_start},
	{"time", "TIME", put_time},
	{"cputime", "TIME", put_time},
	{"bsdtime", "TIME", put_short_time},
	{"etime", "ELAPSED", put_elapsed},
	{"etimes", "ELAPSED", put_elapsed_seconds},
	{"nlwp", "NLWP", put_threads},
	{"thcount", "THCNT", put_threads},
	{"ni", "NI", put_nice},
	{"nice", "NI", put_nice},
	{"pri", "PRI", put_priority},
	{"psr", "PSR", put_processor},
};

/* ---- the arguments ---- */

#define FORMAT_FULL "user=UID,pid,ppid,c,stime,tname,time,cmd"
#define FORMAT_EXTRA_FULL "user=UID,pid,ppid,c,sz,rss,psr,stime,tname,time,cmd"
#define FORMAT_USER "user,pid,%cpu,%mem,vsz,rss,tname,stat,start_time,bsdtime,command"
#define FORMAT_UNIX "pid,tname,time,ucmd"
#define FORMAT_BSD "pid,tname,stat,bsdtime,command"

static fallible add_column(PsFormat *format, const char *word)
{
	size_t length = strcspn(word, "=");

	if (format->count == PS_COLUMNS_MAX)
		return error_new(ERROR_INVALID, "query parameter \"ps_args\": more than %d columns", PS_COLUMNS_MAX);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		if (strlen(columns[i].name) != length || strncmp(columns[i].name, word, length) != 0)
			continue;
		format->items[format->count].column = &columns[i];
		snprintf(format->items[format->count].title, sizeof(format->items[0].title), "%s",
			word[length] ? word + length + 1 : columns[i].title);
		format->count++;
		return NULL;
	}
	return error_new(ERROR_INVALID, "query parameter \"ps_args\": there is no column \"%.32s\"", word);
}

static fallible add_columns(PsFormat *format, const char *list)
{
	autoclear(StringList) words = {0};

	strings_split(&words, list, ',');
	for (size_t i = 0; i < words.count; i++)
		if (words.items[i][0])
			TRY(add_column(format, words.items[i]));
	return NULL;
}

static fallible refuse(const char *word)
{
	return error_new(ERROR_INVALID, "query parameter \"ps_args\": option \"%.32s\" of ps is not known here", word);
}

/* What one letter chooses: a format, or nothing. */
static const char *format_of(char letter, bool is_unix)
{
	if (is_unix)
		return letter == 'f' ? FORMAT_FULL : letter == 'F' ? FORMAT_EXTRA_FULL : NULL;
	return letter == 'u' ? FORMAT_USER : NULL;
}

/* "-ef", "aux", "-o": *ret_list is where a list of columns begins behind "o", NULL without one. */
static fallible read_letters(PsFormat *format, const char *word, const char **ret_list)
{
	bool is_unix = *word == '-';
	const char *idle = is_unix ? "eAadxwH" : "axwfe";

	*ret_list = NULL;
	for (const char *letter = word + is_unix; *letter; letter++) {
		const char *chosen = format_of(*letter, is_unix);
		if (*letter == 'o') {
			*ret_list = letter + 1;
			return NULL;
		}
		if (!chosen && !strchr(idle, *letter))
			return refuse(word);
		if (chosen)
			TRY(add_columns(format, chosen));
	}
	return NULL;
}

static fallible read_word(PsFormat *format, const StringList *words, size_t *index)
{
	const char *word = words->items[*index], *list = NULL;

	if (string_starts(word, "--format="))
		return add_columns(format, word + strlen("--format="));
	if (string_starts(word, "--") || !word[strspn(word, "-")])
		return refuse(word);
	TRY(read_letters(format, word, &list));
	if (list && !*list && *index + 1 < words->count)
		list = words->items[++*index];
	return list ? add_columns(format, list) : NULL;
}

static bool has_pid(const PsFormat *format)
{
	for (size_t i = 0; i < format->count; i++)
		if (string_equal(format->items[i].title, "PID"))
			return true;
	return false;
}

static fallible read_words(PsFormat *format, const StringList *words)
{
	bool is_unix = true;

	for (size_t i = 0; i < words->count; i++) {
		if (!words->items[i][0])
			continue;
		is_unix = words->items[i][0] == '-';
		TRY(read_word(format, words, &i));
	}
	return format->count > 0 ? NULL : add_columns(format, is_unix ? FORMAT_UNIX : FORMAT_BSD);
}

fallible ps_format_read(PsFormat *ret, const char *arguments)
{
	autoclear(StringList) words = {0};
	PsFormat format = {.count = 0};

	strings_split(&words, string_empty(arguments) ? "-ef" : arguments, ' ');
	TRY(read_words(&format, &words));
	if (!has_pid(&format))
		return error_new(ERROR_INVALID, "Couldn't find PID field in ps output");
	*ret = format;
	return NULL;
}
