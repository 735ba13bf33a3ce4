// SPDX-License-Identifier: Apache-2.0
/* Sessions by their times and number; the text of the password file. */
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "login/password_file.h"
#include "login/sessions.h"

#define SECOND INT64_C(1000000000)

static const PasswordFile passwords = {.inode = 7, .size = 100, .changed_ns = SECOND};

static void session_ends_in_time(void **state)
{
	autoclear(Sessions) sessions = {0};
	const Session *session = session_begin(&sessions, "admin", &passwords, SECOND);
	autofree char *token = mem_strdup(session->token);

	(void)state;
	assert_int_equal(strlen(token), SESSION_TOKEN_LENGTH);
	assert_string_not_equal(token, session->guard);
	assert_ptr_equal(session_find(&sessions, token, &passwords, SECOND + SESSION_IDLE), session);
	assert_ptr_equal(session_find(&sessions, token, &passwords, SECOND + 2 * SESSION_IDLE),
		session); /* it was used meanwhile */
	assert_null(session_find(&sessions, token, &passwords, 2 * SECOND + 3 * SESSION_IDLE));
	assert_null(session_find(&sessions, token, &passwords, SECOND + SESSION_IDLE)); /* nor ever again */
	assert_null(session_find(&sessions, NULL, &passwords, SECOND));
	assert_null(session_find(&sessions, "", &passwords, SECOND));
}

static void session_lasts_no_longer_than_the_whole(void **state)
{
	autoclear(Sessions) sessions = {0};
	autofree char *token = mem_strdup(session_begin(&sessions, "admin", &passwords, 0)->token);

	(void)state;
	for (int64_t now = 0; now <= SESSION_WHOLE; now += SESSION_IDLE)
		assert_non_null(session_find(&sessions, token, &passwords, now));
	assert_null(session_find(&sessions, token, &passwords, SESSION_WHOLE + 1));
}

static void session_ends_with_its_file(void **state)
{
	static const PasswordFile others[] = {{.inode = 8, .size = 100, .changed_ns = SECOND},
		{.inode = 7, .size = 99, .changed_ns = SECOND}, {.inode = 7, .size = 100, .changed_ns = 2 * SECOND},
		{0}};

	(void)state;
	for (size_t i = 0; i < COUNT(others); i++) {
		autoclear(Sessions) sessions = {0};
		autofree char *token = mem_strdup(session_begin(&sessions, "admin", &passwords, SECOND)->token);
		assert_non_null(session_find(&sessions, token, &passwords, SECOND));
		assert_null(session_find(&sessions, token, &others[i], SECOND));
		assert_null(session_find(&sessions, token, &passwords, SECOND));
	}
}

static void oldest_goes_first(void **state)
{
	autoclear(Sessions) sessions = {0};
	char tokens[SESSIONS_MAX][SESSION_TOKEN_LENGTH + 1];

	(void)state;
	for (int i = 0; i < SESSIONS_MAX; i++)
		memcpy(tokens[i], session_begin(&sessions, "admin", &passwords, i)->token, sizeof(tokens[i]));
	assert_non_null(session_find(&sessions, tokens[0], &passwords, SESSIONS_MAX));
	session_begin(&sessions, "one more", &passwords, SESSIONS_MAX + 1);
	assert_null(session_find(&sessions, tokens[1], &passwords, SESSIONS_MAX + 1));
	assert_non_null(session_find(&sessions, tokens[0], &passwords, SESSIONS_MAX + 1));
	session_end(&sessions, tokens[0]);
	assert_null(session_find(&sessions, tokens[0], &passwords, SESSIONS_MAX + 1));
}

static void sessions_go_over_to_the_next_program(void **state)
{
	autoclear(Sessions) before = {0}, after = {0};
	autoclear(Buffer) text = {0}, damaged = {0};

	(void)state;
	const Session *session = session_begin(&before, "admin", &passwords, SECOND);
	session_begin(&before, "other@example", &passwords, 2 * SECOND);
	sessions_write(&before, &text);
	check_ok(sessions_read(&after, buffer_text(&text)));
	const Session *found = session_find(&after, session->token, &passwords, SECOND + SESSION_IDLE);
	assert_non_null(found);
	assert_string_equal(found->user, "admin");
	assert_string_equal(found->guard, session->guard);
	assert_null(session_find(&after, session->token, &passwords, SECOND + 3 * SESSION_IDLE));
	buffer_printf(&damaged, "%s %s 1 2 3 4 5 a:b\n", session->token, session->guard);
	check_error(sessions_read(&after, buffer_text(&damaged)), ERROR_INVALID, "it is no session");
	check_error(sessions_read(&after, "nothing"), ERROR_INVALID, "it is no session");
	assert_non_null(session_find(&after, before.all[1].token, &passwords, 2 * SECOND)); /* which changes nothing */
}

static void not_more_go_over_than_there_may_be(void **state)
{
	autoclear(Sessions) one = {0}, after = {0};
	autoclear(Buffer) line = {0}, text = {0};

	(void)state;
	session_begin(&one, "admin", &passwords, SECOND);
	sessions_write(&one, &line);
	for (int i = 0; i < SESSIONS_MAX; i++)
		buffer_add_text(&text, buffer_text(&line));
	check_ok(sessions_read(&after, buffer_text(&text)));
	buffer_printf(
		&text, "%.*s", (int)strcspn(buffer_text(&line), "\n"), buffer_text(&line)); /* no newline behind it */
	check_error(sessions_read(&after, buffer_text(&text)), ERROR_TOO_LARGE, "there are more than 64");
}

static void lines_are_found_whole(void **state)
{
	static const char text[] = "# a comment\nadmin:$one\nadmin2:$two\r\nlast:$three";
	static const char *const cases[][2] = {{"admin", "$one"}, {"admin2", "$two"}, {"last", "$three"}, {"adm", NULL},
		{"", NULL}, {"admin:$one", NULL}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		autofree char *hash = password_file_find(text, cases[i][0]);
		if (cases[i][1])
			assert_string_equal(hash, cases[i][1]);
		else
			assert_null(hash);
	}
}

static void other_lines_stay(void **state)
{
	autoclear(Buffer) set = {0}, without = {0};

	(void)state;
	password_file_set(&set, "# a comment\nadmin:$one\nadmin2:$two\n", "admin", "$new");
	assert_string_equal(buffer_text(&set), "# a comment\nadmin2:$two\nadmin:$new\n");
	password_file_set(&without, buffer_text(&set), "admin2", NULL);
	assert_string_equal(buffer_text(&without), "# a comment\nadmin:$new\n");
}

static void names_are_checked(void **state)
{
	(void)state;
	assert_true(login_name_is_right("a.b-c_d@example"));
	assert_false(login_name_is_right(""));
	assert_false(login_name_is_right("a:b"));
	assert_false(login_name_is_right("a\nb"));
	assert_false(login_name_is_right("12345678901234567890123456789012345678901234567890123456789012345"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_ends_in_time),
		cmocka_unit_test(session_lasts_no_longer_than_the_whole),
		cmocka_unit_test(session_ends_with_its_file),
		cmocka_unit_test(oldest_goes_first),
		cmocka_unit_test(sessions_go_over_to_the_next_program),
		cmocka_unit_test(not_more_go_over_than_there_may_be),
		cmocka_unit_test(lines_are_found_whole),
		cmocka_unit_test(other_lines_stay),
		cmocka_unit_test(names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
