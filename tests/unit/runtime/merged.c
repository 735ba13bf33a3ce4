// SPDX-License-Identifier: Apache-2.0
#include "runtime/merged.h"

#include "base/buffer.h"
#include "layers.h"

/* The text at path through the layers a (top), b and c; "-" when nothing is there. */
static char *text_at(const char *top, const char *path)
{
	autoclear(StringList) layers = {0};
	autofd fd = -1;
	char *text = NULL;

	list_layers(&layers, top, "a b c");
	check_ok(merged_open(&fd, &layers, path));
	if (fd < 0)
		return string_printf("-");
	check_ok(file_read_fd(&text, NULL, fd, path, 100));
	return text;
}

static void test_topmost_wins(void **state)
{
	put_file(*state, "a/etc/one", "a");
	put_file(*state, "b/etc/one", "b");
	put_file(*state, "b/etc/two", "b");
	put_file(*state, "c/etc/two", "c");
	put_file(*state, "c/etc/three", "c");
	check_text(text_at(*state, "/etc/one"), "a");
	check_text(text_at(*state, "/etc/two"), "b");
	check_text(text_at(*state, "/etc/three"), "c");
	check_text(text_at(*state, "etc//./three"), "c");
	check_text(text_at(*state, "/etc/four"), "-");
	check_text(text_at(*state, "/etc"), "-");
	check_text(text_at(*state, "/"), "-");
	check_text(text_at(*state, ""), "-");
	check_text(text_at(*state, "/etc/one/below"), "-");
}

static void test_whiteouts(void **state)
{
	needs_root();
	put_whiteout(*state, "a/etc/one");
	put_file(*state, "b/etc/one", "b");
	put_whiteout(*state, "b/dir");
	put_file(*state, "c/dir/two", "c");
	put_file(*state, "c/etc/three", "c");
	check_text(text_at(*state, "/etc/one"), "-");
	check_text(text_at(*state, "/dir/two"), "-");
	check_text(text_at(*state, "/etc/three"), "c");
}

static void test_opaque_directories(void **state)
{
	needs_root();
	put_opaque(*state, "b/etc");
	put_file(*state, "b/etc/one", "b");
	put_file(*state, "c/etc/two", "c");
	put_file(*state, "a/etc/three", "a");
	check_text(text_at(*state, "/etc/one"), "b");
	check_text(text_at(*state, "/etc/two"), "-");
	check_text(text_at(*state, "/etc/three"), "a");
}

/* A file where a lower layer has a directory hides what is in it, and a directory hides a lower file. */
static void test_hiding(void **state)
{
	put_file(*state, "a/etc", "file");
	put_file(*state, "b/etc/one", "b");
	put_file(*state, "a/x/y", "a");
	put_file(*state, "b/x", "b");
	put_file(*state, "c/x/z", "c");
	check_text(text_at(*state, "/etc/one"), "-");
	check_text(text_at(*state, "/etc"), "file");
	check_text(text_at(*state, "/x/y"), "a");
	check_text(text_at(*state, "/x/z"), "-");
}

static void test_links(void **state)
{
	put_link(*state, "a/etc/one", "two");
	put_link(*state, "b/etc/two", "/store/three");
	put_link(*state, "b/store", "usr/store");
	put_file(*state, "c/usr/store/three", "c");
	put_file(*state, "c/etc/one", "hidden");
	put_link(*state, "a/loop", "loop");
	put_link(*state, "a/dangling", "/nowhere");
	check_text(text_at(*state, "/etc/one"), "c");
	check_text(text_at(*state, "/store/../store/three"), "c"); /* ".." of the link's target: /usr */
	check_text(text_at(*state, "/store/../etc/one"), "-");
	check_text(text_at(*state, "/usr/store/../../etc/two"), "c");
	check_text(text_at(*state, "/dangling"), "-");
	autoclear(StringList) layers = {0};
	list_layers(&layers, *state, "a");
	int fd = -1;
	check_invalid(merged_open(&fd, &layers, "/loop"), "too many links on the way to \"/loop\" in the image");
}

/* Nothing outside the layers is ever read, whatever links say. */
static void test_escapes(void **state)
{
	autofree char *outside = layer_path(*state, "secret");

	put_file(*state, "secret", "secret");
	put_file(*state, "c/etc/passwd", "inside");
	put_link(*state, "a/up", "../secret");
	put_link(*state, "a/far", "../../../../../../../../etc/passwd");
	put_link(*state, "a/absolute", "/etc/passwd");
	put_link(*state, "a/outside", outside);
	put_link(*state, "a/dir", "..");
	check_text(text_at(*state, "/up"), "-");
	check_text(text_at(*state, "/../secret"), "-");
	check_text(text_at(*state, "/far"), "inside");
	check_text(text_at(*state, "/absolute"), "inside");
	check_text(text_at(*state, "/outside"), "-");
	check_text(text_at(*state, "/dir/secret"), "-");
	check_text(text_at(*state, "/dir/dir/etc/passwd"), "inside");
}

/* A fifo or device in a layer must not be opened: it would block, or do something. */
static void test_odd_files(void **state)
{
	autofree char *fifo = layer_path(*state, "a/fifo");

	put_file(*state, "a/x", "x");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	check_text(text_at(*state, "/fifo"), "-");
}

static void enter_new(int *dir, const char *name)
{
	assert_int_equal(mkdirat(*dir, name, 0755), 0);
	int next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(next >= 0);
	close(*dir);
	*dir = next;
}

/* An image can nest real directories almost as deep as a path is long, and link on from there. */
static void test_too_deep(void **state)
{
	autoclear(StringList) layers = {0};
	autoclear(Buffer) target = {0};
	autofd at = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char name[251];

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	enter_new(&at, "a");
	for (int i = 0; i < 16; i++) {
		enter_new(&at, name);
		buffer_printf(&target, "/%s", name);
	}
	assert_int_equal(symlinkat(name, at, "passwd"), 0);
	put_link(*state, "a/etc", buffer_text(&target));
	list_layers(&layers, *state, "a b c");
	check_invalid(merged_open(&fd, &layers, "/etc/passwd"), "path in the image is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		layer_test(test_topmost_wins),
		layer_test(test_whiteouts),
		layer_test(test_opaque_directories),
		layer_test(test_hiding),
		layer_test(test_links),
		layer_test(test_escapes),
		layer_test(test_odd_files),
		layer_test(test_too_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
