// SPDX-License-Identifier: Apache-2.0
#include "cli/grid.h"

#include "check.h"

static Grid *make(void)
{
	Grid *grid = grid_new();
	static const char *const cells[] = {"ID", "IMAGE", "NAMES", "0123456789ab",
		"registry.example/tools/busybox:1.35", "web", "ba9876543210", "a", "a-rather-long-name-of-a-container"};

	grid_column(grid, GRID_FIXED);
	grid_column(grid, 8);
	grid_column(grid, 8);
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

static void colours_and_control_characters(void **state)
{
	autoptr(Grid) grid = grid_new();
	autoclear(Buffer) out = {0};

	(void)state;
	grid_column(grid, 8);
	grid_column(grid, 8);
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
		cmocka_unit_test(colours_and_control_characters),
		cmocka_unit_test(characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
