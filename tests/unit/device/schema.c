// SPDX-License-Identifier: Apache-2.0
/* What is published is what the tables say. To write it anew: KEDGE_WRITE_DOCS=1 */
#include "device/schema.h"

#include "base/strings.h"
#include "check.h"

#define SCHEMA DOCS "/containers.schema.json"
#define MANUAL DOCS "/containers.md"
#define BEGIN "<!-- tables: tests/unit/device/schema.c -->\n"
#define END "<!-- end of tables -->"

static bool is_writing(void)
{
	return getenv("KEDGE_WRITE_DOCS") != NULL;
}

static char *read_whole(const char *path)
{
	char *text = NULL;

	check_ok(file_read(&text, NULL, AT_FDCWD, path, 1 << 20));
	return text;
}

static void write_whole(const char *path, const char *text)
{
	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0644));
}

static void test_published_schema(void **state)
{
	autoptr(Value) schema = schema_of_declaration();
	autoptr(Value) published = NULL;
	autoclear(Buffer) text = {0};

	(void)state;
	if (is_writing()) {
		value_write(schema, &text);
		write_whole(SCHEMA, buffer_text(&text));
	}
	autofree char *file = read_whole(SCHEMA);
	check_ok(value_parse(&published, file, strlen(file)));
	if (!value_equal(schema, published))
		print_error("docs/containers.schema.json differs from the tables: KEDGE_WRITE_DOCS=1 writes it anew\n");
	assert_true(value_equal(schema, published));
}

static void test_published_tables(void **state)
{
	autoclear(Buffer) tables = {0};
	autofree char *file = read_whole(MANUAL), *between = NULL;

	(void)state;
	schema_tables(&tables);
	char *begin = strstr(file, BEGIN), *end = strstr(file, END);
	assert_non_null(begin);
	assert_non_null(end);
	begin += strlen(BEGIN);
	if (is_writing()) {
		autofree char *whole = string_printf("%.*s%s%s", (int)(begin - file), file, buffer_text(&tables), end);
		write_whole(MANUAL, whole);
		return;
	}
	between = strndup(begin, (size_t)(end - begin));
	assert_string_equal(between, buffer_text(&tables));
}

/* Everything that describes a value has a form that JSON Schema knows. */
static void check_schema(const Value *schema)
{
	static const char *const shapes[] = {"type", "enum", "anyOf", "properties"};
	const char *name;
	Value *member;
	size_t cursor = 0;
	bool has_shape = false;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		has_shape |= value_get(schema, shapes[i]) != NULL;
	assert_true(has_shape);
	while (value_each(value_get(schema, "properties"), &cursor, &name, &member))
		check_schema(member);
	for (size_t i = 0; i < value_count(value_get(schema, "anyOf")); i++)
		check_schema(value_at(value_get(schema, "anyOf"), i));
	if (value_get(schema, "items"))
		check_schema(value_get(schema, "items"));
}

static void test_shapes(void **state)
{
	autoptr(Value) declaration = schema_of_declaration();
	autoptr(Value) service = schema_of_service();

	(void)state;
	check_schema(declaration);
	check_schema(service);
	assert_string_equal(value_string(value_path(declaration, "properties.pullInterval.default")), "30s");
	assert_string_equal(value_string(value_path(declaration, "properties.restart.default")), "unless-stopped");
	assert_true(value_bool(value_path(declaration, "properties.enabled.default"), false));
	assert_null(value_path(declaration, "properties.stopGracePeriod.default"));
	assert_non_null(value_path(declaration, "properties.image.description"));
	assert_string_equal(value_string(value_at(value_get(declaration, "required"), 0)), "image");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_schema),
		cmocka_unit_test(test_published_tables),
		cmocka_unit_test(test_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
