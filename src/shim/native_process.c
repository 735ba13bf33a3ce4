// SPDX-License-Identifier: Apache-2.0
/* The container's process makes itself what it is to be: names, limits, rights, and at last its program. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/confine.h"
#include "base/files.h"
#include "shim/native_steps.h"

enum { UMASK = 022, REPORT_FD = STDERR_FILENO + 1, TARGET_FD };

/* ---- its namespaces ---- */

/* The session keyring of whoever started kedged is not the container's. */
Error *native_join_keyring(Native *native, const char *const *fields)
{
	(void)native;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, fields[0]) < 0 && errno != ENOSYS)
		return error_errno(errno, "could not make a session keyring");
	return NULL;
}

/* After the groups were joined, which become the roots of what the container sees. */
Error *native_own_cgroups(Native *native, const char *const *fields)
{
	(void)native;
	(void)fields;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(errno, "could not make a namespace of control groups");
	return NULL;
}

Error *native_loopback(Native *native, const char *const *fields)
{
	struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
	autofd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)native;
	strncpy(request.ifr_name, fields[0], sizeof(request.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_errno(errno, "could not bring up interface \"%s\"", fields[0]);
	return NULL;
}

Error *native_sysctl(Native *native, const char *const *fields)
{
	autofree char *path = path_join("/proc/sys", fields[0]);

	(void)native;
	return file_poke(AT_FDCWD, path, fields[1]);
}

Error *native_oom_score(Native *native, const char *const *fields)
{
	(void)native;
	return file_poke(AT_FDCWD, "/proc/self/oom_score_adj", fields[0]);
}

Error *native_hostname(Native *native, const char *const *fields)
{
	(void)native;
	if (sethostname(fields[0], strlen(fields[0])) < 0)
		return error_errno(errno, "could not set the hostname \"%s\"", fields[0]);
	return NULL;
}

Error *native_limit(Native *native, const char *const *fields)
{
	struct rlimit limit = {strtoull(fields[1], NULL, 10), strtoull(fields[2], NULL, 10)};

	(void)native;
	if (setrlimit(atoi(fields[0]), &limit) < 0)
		return error_errno(errno, "could not set limit %s to %s, %s", fields[0], fields[1], fields[2]);
	return NULL;
}

/* ---- what is remembered for the end ---- */

Error *native_read_env(Native *native, const char *const *fields)
{
	strings_add(&native->env, fields[0]);
	return NULL;
}

Error *native_read_argument(Native *native, const char *const *fields)
{
	strings_add(&native->arguments, fields[0]);
	return NULL;
}

Error *native_read_directory(Native *native, const char *const *fields)
{
	native->directory = fields[0];
	return dir_make_all(AT_FDCWD, fields[0], 0755);
}

Error *native_read_cwd(Native *native, const char *const *fields)
{
	native->directory = fields[0];
	return NULL;
}

Error *native_read_filter(Native *native, const char *const *fields)
{
	native->filter = fields[0];
	return NULL;
}

Error *native_read_no_new_privileges(Native *native, const char *const *fields)
{
	(void)fields;
	native->no_new_privileges = true;
	return NULL;
}

Error *native_read_group(Native *native, const char *const *fields)
{
	if (native->group_count == NATIVE_GROUPS_MAX)
		return error_new(ERROR_TOO_LARGE, "more than %d groups", NATIVE_GROUPS_MAX);
	native->groups[native->group_count++] = (gid_t)strtoul(fields[0], NULL, 10);
	return NULL;
}

Error *native_read_user(Native *native, const char *const *fields)
{
	native->uid = (uid_t)strtoul(fields[0], NULL, 10);
	native->gid = (gid_t)strtoul(fields[1], NULL, 10);
	return NULL;
}

Error *native_read_capabilities(Native *native, const char *const *fields)
{
	native->bounding = strtoull(fields[0], NULL, 16);
	native->effective = strtoull(fields[1], NULL, 16);
	native->permitted = strtoull(fields[2], NULL, 16);
	return NULL;
}

/* ---- streams ---- */

/* As runtimes do: a program that is not root opens /dev/stdin and /dev/stdout too. */
static void own_streams(const Native *native)
{
	int first = native->streams.in < 0 ? STDOUT_FILENO : STDIN_FILENO; /* /dev/null stays as it is */

	for (int fd = first; fd <= STDERR_FILENO; fd++)
		if (fchown(fd, native->uid, native->gid) < 0)
			continue; /* not every kind of file has an owner */
}

/* The image names paths: the host's directories may not be among this process's descriptors, where /proc/self/fd/N
 * leads to them. */
Error *native_keep_streams(Native *native)
{
	const ProgramStreams *streams = &native->streams;

	if ((streams->in >= 0 && dup2(streams->in, STDIN_FILENO) < 0) || dup2(streams->out, STDOUT_FILENO) < 0 ||
		dup2(streams->err, STDERR_FILENO) < 0)
		return error_errno(errno, "could not give the container its streams");
	if (native->report != REPORT_FD && dup3(native->report, REPORT_FD, O_CLOEXEC) < 0)
		return error_errno(errno, "could not keep the pipe for reports");
	native->report = REPORT_FD;
	if (native->target >= 0 && native->target != TARGET_FD && dup3(native->target, TARGET_FD, O_CLOEXEC) < 0)
		return error_errno(errno, "could not keep the container's init");
	native->target = native->target >= 0 ? TARGET_FD : -1;
	if (syscall(SYS_close_range, native->target >= 0 ? TARGET_FD + 1 : REPORT_FD + 1, ~0U, 0) < 0)
		return error_errno(errno, "could not keep descriptors from the container");
	return NULL;
}

static fallible open_no_input(void)
{
	int in = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (in < 0 || dup2(in, STDIN_FILENO) < 0)
		return error_errno(errno, "could not give the container its streams");
	return NULL;
}

/* All else is closed by execve(2). */
static fallible set_streams(const Native *native)
{
	if (native->streams.in < 0)
		TRY(open_no_input());
	own_streams(native);
	if (syscall(SYS_close_range, REPORT_FD, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return error_errno(errno, "could not keep descriptors from the container");
	return NULL;
}

/* ---- rights ---- */

static fallible set_capabilities(const Native *native)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)native->effective, .permitted = (uint32_t)native->permitted},
		{.effective = (uint32_t)(native->effective >> 32), .permitted = (uint32_t)(native->permitted >> 32)},
	};

	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(errno, "could not set capabilities");
	/* Kernels before 4.3 have no ambient ones. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return error_errno(errno, "could not clear the ambient capabilities");
	return NULL;
}

static fallible become_user(const Native *native)
{
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || syscall(SYS_setresgid, native->gid, native->gid, native->gid) < 0 ||
		syscall(SYS_setresuid, native->uid, native->uid, native->uid) < 0)
		return error_errno(errno, "could not become user %u:%u", native->uid, native->gid);
	return NULL;
}

Error *native_decode_filter(Buffer *ret, const Native *native)
{
	if (!native->filter)
		return NULL;
	if (!base64_decode(ret, native->filter, strlen(native->filter)) || !ret->length ||
		ret->length % sizeof(struct sock_filter))
		return error_new(ERROR_INVALID, "the system call filter is damaged");
	return NULL;
}

static fallible install_filter(const Buffer *program)
{
	struct sock_fprog filter = {.len = (unsigned short)(program->length / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)program->data};

	if (!program->length)
		return NULL;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) < 0)
		return error_errno(errno, "could not install the system call filter");
	return NULL;
}

/* The filter comes as late as it may: without no-new-privileges only who holds SYS_ADMIN may install one. */
static fallible set_rights(const Native *native)
{
	autoclear(Buffer) filter = {0};

	TRY(native_decode_filter(&filter, native));
	if (setgroups(native->group_count, native->groups) < 0)
		return error_errno(errno, "could not set groups");
	if (native->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(errno, "could not set no-new-privileges");
	if (!native->no_new_privileges)
		TRY(install_filter(&filter));
	TRY(confine_bounding(native->bounding));
	TRY(become_user(native));
	TRY(set_capabilities(native));
	return native->no_new_privileges ? install_filter(&filter) : NULL;
}

/* ---- the program ---- */

/* 0, or why it cannot be executed. */
static int program_problem(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (!S_ISREG(status.st_mode))
		return EPERM;
	return access(path, X_OK) < 0 ? errno : 0;
}

/* Texts are crun's: launch_reason_code() and people know them. */
static fallible find_by_path(char **ret, const char *name)
{
	int problem = program_problem(name);

	if (problem == ENOENT)
		return error_new(ERROR_NOT_FOUND, "executable file `%s` not found: %s", name, strerror(problem));
	if (problem)
		return error_new(ERROR_INVALID, "open executable: %s", strerror(problem));
	*ret = string_printf("%s", name);
	return NULL;
}

static fallible find_program(char **ret, const Native *native)
{
	const char *name = native->arguments.items[0];
	autoclear(StringList) directories = {0};

	if (strchr(name, '/'))
		return find_by_path(ret, name);
	strings_split(&directories, strings_env(&native->env, "PATH") ?: "/bin:/usr/bin", ':');
	for (size_t i = 0; *name && i < directories.count; i++) {
		autofree char *path = path_join(*directories.items[i] ? directories.items[i] : ".", name);
		if (!program_problem(path)) {
			*ret = take(path);
			return NULL;
		}
	}
	return error_new(ERROR_NOT_FOUND, "executable file `%s` not found in $PATH: %s", name, strerror(ENOENT));
}

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* some cannot be set, nor ignored */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The kernel says "(unreachable)" before a directory that is not below the root. */
static fallible enter_directory(const char *path)
{
	char where[PATH_MAX];

	if (chdir(path) < 0)
		return error_errno(errno, "could not enter the working directory \"%s\"", path);
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || *where != '/')
		return error_new(ERROR_INVALID, "the working directory \"%s\" is outside of the container", path);
	return NULL;
}

/* strings_add() keeps no NULL at the end of a list without items. */
static char **with_end(StringList *list)
{
	static char *empty[] = {NULL};

	return list->count ? list->items : empty;
}

Error *native_execute(Native *native)
{
	autofree char *program = NULL;

	TRY(set_streams(native));
	TRY(enter_directory(native->directory));
	TRY(find_program(&program, native));
	setsid();
	umask(UMASK);
	TRY(set_rights(native));
	reset_signals();
	execve(program, with_end(&native->arguments), with_end(&native->env));
	return error_new(ERROR_INVALID, "exec container process `%s`: %s", program, strerror(errno));
}
