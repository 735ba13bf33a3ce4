// SPDX-License-Identifier: Apache-2.0
/* docs/docker-api.md lists every operation that is routed, and says of each whether it is here. */
#include "api/internal.h"
#include "docker/internal.h"
#include "http/route.h"

#include "check.h"

enum { ROWS_MAX = 300, FIELD_MAX = 128, DOCKER_OPERATIONS = 107 };

typedef struct Row {
	char method[8], path[FIELD_MAX], here[FIELD_MAX];
} Row;

static Row rows[ROWS_MAX];
static size_t row_count;

/* "| GET /version | yes | ... |" */
static void read_row(const char *line)
{
	Row row;

	if (sscanf(line, "| %7[A-Z] %127[^ |] | %127[^|] |", row.method, row.path, row.here) != 3)
		return;
	assert_true(row_count < ROWS_MAX);
	row.here[strcspn(row.here, " :")] = '\0';
	rows[row_count++] = row;
}

static int read_table(void **state)
{
	FILE *file = fopen(DOCS "/docker-api.md", "re");
	char line[1024];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		read_row(line);
	return fclose(file);
}

/* "/containers/{id}/json" -> "/containers/x/json" */
static void make_example(char ret[FIELD_MAX], const char *pattern)
{
	size_t length = 0;

	while (*pattern) {
		assert_true(length + 1 < FIELD_MAX);
		ret[length++] = *pattern == '{' ? 'x' : *pattern;
		pattern = *pattern == '{' ? strchr(pattern, '}') + 1 : pattern + 1;
	}
	ret[length] = '\0';
}

/* Docker's, and what is served beside them. */
static const HttpRoute *const *const all[] = {docker_route_tables, api_route_tables};

/* The table that answers; NULL: none. */
static const HttpRoute *table_of(const Row *row)
{
	char example[FIELD_MAX];
	RouteMatch match;

	make_example(example, row->path);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const HttpRoute *const *table = all[i]; *table; table++)
			if (route_find(&match, *table, row->method, example))
				return *table;
	return NULL;
}

static void rows_are_routed(void **state)
{
	static const char *const words[] = {"yes", "partly", "no", "empty"};

	(void)state;
	for (size_t i = 0; i < row_count; i++) {
		const HttpRoute *table = table_of(&rows[i]);
		int word = names_find(words, sizeof(words) / sizeof(words[0]), rows[i].here);
		if (word < 0 || !table || (table == absent_routes) != (word >= 2))
			fail_msg("docs/docker-api.md says \"%s\" of %s %s, which is %s", rows[i].here, rows[i].method,
				rows[i].path,
				!table                   ? "not routed"
				: table == absent_routes ? "not here"
							 : "here");
	}
}

static bool is_listed(const HttpRoute *route)
{
	char example[FIELD_MAX];
	RouteMatch match;

	make_example(example, route->path);
	for (size_t i = 0; i < row_count; i++)
		if (string_equal(rows[i].method, route->method) && route_match(&match, rows[i].path, example))
			return true;
	return false;
}

static void routes_are_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const HttpRoute *const *table = all[i]; *table; table++)
			for (const HttpRoute *route = *table; route->method; route++)
				if (!is_listed(route))
					fail_msg("docs/docker-api.md has no row \"%s %s\"", route->method, route->path);
}

static bool is_docker_s(const char *path)
{
	static const char *const others[] = {"/kedge/", "/metrics", "/services/inventory/", "/grpc", "/assets/", "/favicon.svg"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (string_starts(path, others[i]))
			return false;
	return path[1] != '\0'; /* "/" is the dashboard */
}

/* swagger's of 1.43; POST /grpc is not in it. */
static void all_of_docker_s_are_there(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < row_count; i++)
		count += is_docker_s(rows[i].path);
	assert_int_equal(count, DOCKER_OPERATIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_routed),
		cmocka_unit_test(routes_are_listed),
		cmocka_unit_test(all_of_docker_s_are_there),
	};

	return cmocka_run_group_tests(tests, read_table, NULL);
}
