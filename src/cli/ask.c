// SPDX-License-Identifier: Apache-2.0
#include "cli/ask.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"

enum { LINE_LENGTH_MAX = 4096 };

static void cut_line_end(char *text)
{
	text[strcspn(text, "\r\n")] = '\0';
}

fallible ask_line(char **ret, const char *question, const char *hint)
{
	char line[LINE_LENGTH_MAX];

	if (!isatty(STDIN_FILENO))
		return error_hint(error_new(ERROR_INVALID, "%s is missing, and standard input is no terminal to ask at",
					  question),
			"%s", hint);
	fprintf(stderr, "%s: ", question);
	if (!fgets(line, sizeof(line), stdin))
		return error_new(ERROR_INVALID, "%s is missing", question);
	cut_line_end(line);
	*ret = mem_strdup(line);
	return NULL;
}

fallible ask_hidden(char **ret, const char *question, const char *hint)
{
	struct termios shown, hidden;
	bool hides = tcgetattr(STDIN_FILENO, &shown) == 0;

	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	if (hides)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	Error *error = ask_line(ret, question, hint);
	if (hides) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
	}
	return error;
}

fallible ask_input(char **ret, size_t max)
{
	TRY(file_read_fd(ret, NULL, STDIN_FILENO, "standard input", max));
	cut_line_end(*ret);
	return NULL;
}
