// SPDX-License-Identifier: Apache-2.0
#include "tls/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/process.h"
#include "tls/talk.h"

enum { REASON_MAX = 4096 };

typedef struct CertificateFile {
	const char *field, *option, *path;
} CertificateFile;

/* In the order of TALK_CERTIFICATES. The last one may be missing. */
static size_t list_files(CertificateFile ret[CERTIFICATES_COUNT], const TlsConfig *config)
{
	ret[0] = (CertificateFile){"tcp.ca", "--ca", config->ca};
	ret[1] = (CertificateFile){"tcp.cert", "--cert", config->cert};
	ret[2] = (CertificateFile){"tcp.key", "--key", config->key};
	ret[3] = (CertificateFile){"tcp.crl", "--crl", config->crl};
	return string_empty(config->crl) ? CERTIFICATES_COUNT - 1 : CERTIFICATES_COUNT;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       !memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) &&
	       !memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim));
}

/* A file that is missing is all zeros. */
static void look_at(struct stat ret[CERTIFICATES_COUNT], const CertificateFile *files, size_t count)
{
	memset(ret, 0, CERTIFICATES_COUNT * sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		if (stat(files[i].path, &ret[i]) < 0)
			ret[i] = (struct stat){0};
}

static bool are_seen(const Certificates *certificates, const struct stat now[CERTIFICATES_COUNT])
{
	for (size_t i = 0; i < CERTIFICATES_COUNT; i++)
		if (!is_same(&now[i], &certificates->seen[i]))
			return false;
	return true;
}

bool certificates_are_new(const Certificates *certificates, const TlsConfig *config)
{
	CertificateFile files[CERTIFICATES_COUNT];
	struct stat now[CERTIFICATES_COUNT];

	look_at(now, files, list_files(files, config));
	return certificates->is_unsent || !are_seen(certificates, now);
}

static fallible open_file(int *ret_fd, const CertificateFile *file)
{
	struct stat status;
	autofd fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(errno, "field \"%s\": could not open \"%s\"", file->field, file->path);
	if (!S_ISREG(status.st_mode))
		return error_new(ERROR_INVALID, "field \"%s\": \"%s\" is no regular file", file->field, file->path);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible open_all(int fds[CERTIFICATES_COUNT], const CertificateFile *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		TRY(open_file(&fds[i], &files[i]));
	return NULL;
}

static fallible open_and_send(int control, const CertificateFile *files, size_t count)
{
	int fds[CERTIFICATES_COUNT] = {-1, -1, -1, -1};
	Error *error = open_all(fds, files, count);

	if (!error)
		error = talk_send(control, TALK_CERTIFICATES, fds, count);
	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
	return error;
}

/* They are looked at before they are opened: one that is replaced in between is new to the next look. */
fallible certificates_send(Certificates *certificates, bool *ret_again, int control, const TlsConfig *config)
{
	CertificateFile files[CERTIFICATES_COUNT];
	size_t count = list_files(files, config);
	struct stat now[CERTIFICATES_COUNT];

	look_at(now, files, count);
	*ret_again = certificates->is_unsent && are_seen(certificates, now);
	memcpy(certificates->seen, now, sizeof(now));
	Error *error = open_and_send(control, files, count);
	certificates->is_unsent = error;
	return error;
}

/* ---- checking ---- */

static fallible spawn_check(pid_t *ret, const char *program, const CertificateFile *files, size_t count, int output)
{
	const char *argv[2 * CERTIFICATES_COUNT + 3] = {program, "--check"};
	ProcessSpec spec = {
		.path = program, .argv = argv, .fds = {{.from = output, .to = STDERR_FILENO}}, .fd_count = 1};

	for (size_t i = 0; i < count; i++) {
		argv[2 + 2 * i] = files[i].option;
		argv[3 + 2 * i] = files[i].path;
	}
	return process_spawn(ret, &spec);
}

static fallible read_reason(char **ret, const char *program, const CertificateFile *files, size_t count, pid_t *ret_pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd reads = ends[0], writes = ends[1];
	TRY(spawn_check(ret_pid, program, files, count, writes));
	close_fd(&writes);
	return file_read_fd(ret, NULL, reads, "answer of kedge-tls", REASON_MAX);
}

fallible certificates_check(const TlsConfig *config, const char *program)
{
	CertificateFile files[CERTIFICATES_COUNT];
	size_t count = list_files(files, config);
	int fds[CERTIFICATES_COUNT] = {-1, -1, -1, -1};
	autofree char *reason = NULL;
	pid_t pid = 0;
	int status = 0;
	Error *error = open_all(fds, files, count);

	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
	if (!error)
		error = read_reason(&reason, program, files, count, &pid);
	if (pid > 0 && waitpid(pid, &status, 0) < 0)
		status = 0; /* somebody else has waited */
	if (error || status == 0)
		return error;
	return error_new(ERROR_INVALID, "field \"tcp\": %s", string_trim(reason));
}
