// SPDX-License-Identifier: Apache-2.0
#include "cli/grid.h"

#include "base/memory.h"

#include "check.h"

static Grid *make(void)
{
	Grid *grid = grid_new();
	static const char *const cells[] = {"ID", "IMAGE", "NAMES", "0123456789ab",
		"registry.example/tools/busybox:1.35", "web", "ba9876543210", "a", "a-rather-long-name-of-a-container"};

	grid_column(grid, (GridColumn){GRID_FIXED});
	grid_column(grid, (GridColumn){8});
	grid_column(grid, (GridColumn){8});
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		grid_cell(grid, cells[i], i == 5 ? "\033[32m" : NULL);
	return grid;
}

static void check_width(int width, const char *expected)
{
	autoptr(Grid) grid = make();
	autoclear(Buffer) out = {0};

	grid_write(grid, &out, width, false);
	assert_string_equal(buffer_text(&out), expected);
}

static void unlimited(void **state)
{
	(void)state;
	check_width(0, "ID             IMAGE                                 NAMES\n"
		       "0123456789ab   registry.example/tools/busybox:1.35   web\n"
		       "ba9876543210   a                                     a-rather-long-name-of-a-container\n");
}

/* The widest are cut until all are equal; no line is wider than the terminal. */
static void cut(void **state)
{
	(void)state;
	check_width(60, "ID             IMAGE                   NAMES\n"
			"0123456789ab   registry.example/too…   web\n"
			"ba9876543210   a                       a-rather-long-name-o…\n");
	check_width(86, "ID             IMAGE                                 NAMES\n"
			"0123456789ab   registry.example/tools/busybox:1.35   web\n"
			"ba9876543210   a                                     a-rather-long-name-of-a-container\n");
}

/* Narrower than what must stay readable: the lines are too long then. */
static void least(void **state)
{
	(void)state;
	check_width(10, "ID             IMAGE      NAMES\n"
			"0123456789ab   registr…   web\n"
			"ba9876543210   a          a-rathe…\n");
}

static void widths_hold(void **state)
{
	(void)state;
	for (int width = 40; width <= 100; width++) {
		autoptr(Grid) grid = make();
		autoclear(Buffer) out = {0};
		grid_write(grid, &out, width, false);
		for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n"))
			assert_true(text_width(line) <= width);
	}
}

/* By rank, the lowest first; then those that may go are left out; only then the others are cut. */
static void ranks(void **state)
{
	static const GridColumn columns[] = {{GRID_FIXED}, {6, .rank = 2, .may_go = true},
		{6, .rank = 1, .may_go = true}, {GRID_FIXED, .rank = 3, .may_go = true}, {6}};
	static const char *const cells[] = {
		"ID", "SECOND", "FIRST", "EMPTY", "LAST", "abc", "0123456789", "abcdefghij", "", "ABCDEFGHIJ"};
	static const struct {
		int width;
		const char *expected;
	} cases[] = {
		{50, "ID    SECOND       FIRST        EMPTY   LAST\nabc   0123456789   abcdefghij           "
		     "ABCDEFGHIJ\n"},
		{48, "ID    SECOND       FIRST      EMPTY   LAST\nabc   0123456789   abcdefg…           ABCDEFGHIJ\n"},
		{43, "ID    SECOND    FIRST    EMPTY   LAST\nabc   012345…   abcde…           ABCDEFGHIJ\n"},
		{41, "ID    SECOND       FIRST       LAST\nabc   0123456789   abcdefgh…   ABCDEFGHIJ\n"},
		{33, "ID    SECOND       LAST\nabc   0123456789   ABCDEFGHIJ\n"},
		{20, "ID    LAST\nabc   ABCDEFGHIJ\n"},
		{14, "ID    LAST\nabc   ABCDEFG…\n"},
		{5, "ID    LAST\nabc   ABCDE…\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		autoptr(Grid) grid = grid_new();
		autoclear(Buffer) out = {0};
		for (size_t j = 0; j < COUNT(columns); j++)
			grid_column(grid, columns[j]);
		for (size_t j = 0; j < COUNT(cells); j++)
			grid_cell(grid, cells[j], NULL);
		grid_write(grid, &out, cases[i].width, false);
		assert_string_equal(buffer_text(&out), cases[i].expected);
	}
}

static void colours_and_control_characters(void **state)
{
	autoptr(Grid) grid = grid_new();
	autoclear(Buffer) out = {0};

	(void)state;
	grid_column(grid, (GridColumn){8});
	grid_column(grid, (GridColumn){8});
	grid_cell(grid, "a\033[31mb\nc", NULL);
	grid_cell(grid, "up", "\033[32m");
	grid_write(grid, &out, 0, true);
	assert_string_equal(buffer_text(&out), "a?[31mb?c   \033[32mup\033[0m\n");
}

static void characters(void **state)
{
	autoclear(Buffer) out = {0};

	(void)state;
	assert_int_equal(text_width("Grüße…"), 6);
	text_cut(&out, "Grüße", 4);
	assert_string_equal(buffer_text(&out), "Grü…");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlimited),
		cmocka_unit_test(cut),
		cmocka_unit_test(least),
		cmocka_unit_test(widths_hold),
		cmocka_unit_test(ranks),
		cmocka_unit_test(colours_and_control_characters),
		cmocka_unit_test(characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
