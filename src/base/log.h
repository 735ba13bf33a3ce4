// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The log goes to standard error, one line a message: "<level prefix> text". Under systemd (JOURNAL_STREAM set) lines
 * start with the syslog priority ("<4>"); otherwise with wall time and the level's name. Never log a secret.
 */
typedef enum LogLevel { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } LogLevel;

void log_set_level(LogLevel level);
void log_set_name(const char *program); /* shown in front of each line off systemd */
int log_level_find(const char *name);   /* "debug", "info", "warning", "error"; -1 when unknown */

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
