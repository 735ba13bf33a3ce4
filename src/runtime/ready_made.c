// SPDX-License-Identifier: Apache-2.0
#include "runtime/ready_made.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/base64.h"
#include "base/files.h"
#include "base/memory.h"
#include "runtime/ask.h"
#include "runtime/bundle.h"
#include "runtime/runtimes_list.h"
#include "json/writer.h"

enum { REFUSAL = ENOTUNIQ, PASSED_MAX = 256 << 10 };

static const char passed_file[] = "ready-made";

/* ---- the container ---- */

static void write_filter(Writer *writer)
{
	static const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | REFUSAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	autoclear(Buffer) text = {0};

	base64_encode(&text, program, sizeof(program));
	write_object(writer, "annotations");
	write_string(writer, SECCOMP_ANNOTATION, buffer_text(&text));
	write_object_end(writer);
}

static void write_namespaces(Writer *writer)
{
	static const char *const types[] = {"mount", "pid"};

	write_array(writer, "namespaces");
	for (size_t i = 0; i < COUNT(types); i++) {
		write_object(writer, NULL);
		write_string(writer, "type", types[i]);
		write_object_end(writer);
	}
	write_array_end(writer);
}

static void write_config(Buffer *out)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_string(&writer, "ociVersion", "1.0.2");
	write_raw(&writer, "process", "{\"args\":[\"/probe\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}");
	write_raw(&writer, "root", "{\"path\":\"rootfs\",\"readonly\":true}");
	write_raw(&writer, "mounts", "[{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}]");
	write_filter(&writer);
	write_object(&writer, "linux");
	write_namespaces(&writer);
	write_object_end(&writer);
	write_object_end(&writer);
}

/* Its command is an empty file, which can be found and never be executed. */
static fallible make_bundle(const char *bundle)
{
	static const char *const directories[] = {"rootfs", "rootfs/dev", "state"};
	autofree char *config = path_join(bundle, "config.json"), *probe = path_join(bundle, "rootfs/probe");
	autoclear(Buffer) text = {0};

	TRY(tree_remove(AT_FDCWD, bundle)); /* an earlier kedged may have ended in the middle */
	for (size_t i = 0; i < COUNT(directories); i++) {
		autofree char *path = path_join(bundle, directories[i]);
		TRY(dir_make_all(AT_FDCWD, path, 0700));
	}
	TRY(file_replace(AT_FDCWD, probe, "", 0, 0755));
	write_config(&text);
	return file_replace(AT_FDCWD, config, text.data, text.length, 0600);
}

/* ---- trying ---- */

/* Each has a bundle of its own: who knows what a script around a runtime does with it. */
static Error *start(Ask *ask, const Runtime *runtime, const char *directory, size_t number)
{
	autofree char *id = string_printf("kedge-probe-%zu", number), *bundle = path_join(directory, id);
	autofree char *root = path_join(bundle, "state");
	const char *const words[] = {"--root", root, "--cgroup-manager", "disabled", "run", "--bundle", bundle, id};
	const char *argv[RUNTIME_OPTIONS_MAX + COUNT(words) + 2] = {runtime->path};
	size_t count = 1;

	for (size_t i = 0; i < runtime->options.count && i < RUNTIME_OPTIONS_MAX; i++)
		argv[count++] = runtime->options.items[i];
	for (size_t i = 0; i < COUNT(words); i++)
		argv[count++] = words[i];
	*ask = (Ask){.pid = -1, .output = -1};
	TRY(make_bundle(bundle));
	return ask_start(ask, argv, 2);
}

static void try_all(Runtimes *runtimes, const bool *wanted, const char *directory)
{
	Ask *asks = mem_array(NULL, runtimes->count + 1, sizeof(*asks));
	int64_t deadline_ns = ask_deadline_ns();

	for (size_t i = 0; i < runtimes->count; i++) {
		Error *error = wanted[i] ? start(&asks[i], &runtimes->items[i], directory, i) : NULL;
		if (error)
			error_log(error, "runtime \"%s\"", runtimes->items[i].name);
	}
	for (size_t i = 0; i < runtimes->count; i++)
		if (wanted[i] && ask_finish(&asks[i], deadline_ns) != -1)
			runtimes->items[i].takes_ready_made_seccomp = strstr(asks[i].text, strerror(REFUSAL)) != NULL;
	free(asks);
}

/* ---- remembering ---- */

/* An absent or damaged file holds nobody: all are tried again. */
static void read_passed(StringList *ret, const char *path)
{
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, path, PASSED_MAX);

	if (!error)
		strings_split(ret, text, '\n');
	error_free(error);
}

static void write_passed(const Runtimes *runtimes, const char *path)
{
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < runtimes->count; i++) {
		autofree char *line = runtime_identity(&runtimes->items[i]);
		if (runtimes->items[i].takes_ready_made_seccomp)
			buffer_printf(&text, "%s\n", line);
	}
	Error *error = file_replace(AT_FDCWD, path, text.data, text.length, 0600);
	if (error)
		error_log(error, "what runtimes can do is not kept"); /* costs trying it again */
}

/* Gives how many are yet to be tried. */
static size_t choose(bool *ret_wanted, Runtimes *runtimes, const char *path)
{
	autoclear(StringList) passed = {0};
	size_t count = 0;

	read_passed(&passed, path);
	for (size_t i = 0; i < runtimes->count; i++) {
		Runtime *runtime = &runtimes->items[i];
		autofree char *line = runtime_identity(runtime);
		runtime->takes_ready_made_seccomp = runtime->is_crun && *line && strings_has(&passed, line);
		ret_wanted[i] = runtime->is_crun && !runtime->takes_ready_made_seccomp;
		count += ret_wanted[i];
	}
	return count;
}

void runtimes_try_ready_made(Runtimes *runtimes, const char *directory, const char *run_dir)
{
	autofree char *path = path_join(directory, passed_file), *bundles = path_join(run_dir, "probe");
	autofree bool *wanted = mem_array(NULL, runtimes->count + 1, sizeof(*wanted));

	if (!choose(wanted, runtimes, path))
		return;
	try_all(runtimes, wanted, bundles);
	write_passed(runtimes, path);
	Error *error = tree_remove(AT_FDCWD, bundles);
	if (error)
		error_log(error, "bundles for trying runtimes could not be removed");
}
