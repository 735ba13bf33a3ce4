// SPDX-License-Identifier: Apache-2.0
/*
 * Load: an archive of `docker save` or an OCI layout, as a tar stream (plain, gzip or zstd). The stream is spooled to
 * staging while kedge-unpack takes it apart there and computes the digest of every file; what is read here is bounded
 * documents and files whose digests are known.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/archive.h"
#include "engine/container_internal.h"
#include "engine/install.h"
#include "fetch/unpack_client.h"
#include "store/blobs.h"

struct ImageLoad {
	Engine *engine;
	Job *job;
	char *directory; /* below the store's root: "staging/load-xxxx" */
	char *spool;     /* the archive itself */
	int spool_fd;
	int directory_fd;
	int64_t received;
	Unpacker *unpacker;
	Archive *archive; /* what was found in it */
	size_t next;      /* image to install */
	Install *install;
};

static void load_end(ImageLoad *load, Error *take_error)
{
	load->unpacker = unpacker_free(load->unpacker);
	load->install = install_free(load->install);
	job_end(load->job, take_error);
}

static void load_result(ImageLoad *load, const char *text)
{
	JobProgress progress = {.phase = JOB_RESULT, .item = "", .text = text};

	job_progress(load->job, &progress);
}

/* ---- installing what was found, one image after the other ---- */

static void load_next(ImageLoad *load);

static fallible load_names(ImageLoad *load, const ArchiveImage *image, const Digest *id)
{
	autofree char *by_id = NULL;

	for (size_t i = 0; i < image->names.count; i++) {
		autoclear(Reference) reference = {0};
		autofree char *familiar = NULL, *text = NULL;

		TRY(reference_parse(&reference, image->names.items[i]));
		reference_default_tag(&reference);
		TRY(image_tag(load->engine->store, id, &reference));
		familiar = reference_familiar(&reference);
		text = string_printf("Loaded image: %s", familiar);
		load_result(load, text);
	}
	if (image->names.count)
		return NULL;
	by_id = string_printf("Loaded image ID: %s", id->text);
	load_result(load, by_id);
	return NULL;
}

static void load_installed(void *arg, Error *take_error, const Digest *image_id)
{
	ImageLoad *load = arg;
	const ArchiveImage *image = archive_image(load->archive, load->next);
	Error *error = take_error ? take_error : load_names(load, image, image_id);

	if (!error)
		event_emit(load->engine, "image", "load", image_id->text, "name", image_id->text, NULL);
	load->install = install_free(load->install); /* image_id was its */
	if (error) {
		load_end(load, error);
		return;
	}
	load->next++;
	load_next(load);
}

static fallible load_blobs(ImageLoad *load)
{
	for (size_t i = 0; i < install_layer_count(load->install); i++) {
		const Descriptor *descriptor = install_needs_blob(load->install, i);
		int64_t size = 0;
		int fd = -1;

		if (!descriptor)
			continue;
		if (!blob_has(load->engine->store, &descriptor->digest, &size))
			return error_new(ERROR_INVALID, "the archive lacks the layer %s", descriptor->digest.text);
		TRY(blob_open(&fd, load->engine->store, &descriptor->digest));
		install_blob(load->install, i, fd, size, true);
	}
	install_begin(load->install);
	return NULL;
}

static fallible load_image(ImageLoad *load)
{
	autoclear(Manifest) manifest = {0};
	autofree char *config = NULL;
	InstallInput input = {.take_manifest = &manifest};

	TRY(archive_import(load->archive, load->next, load->engine->store, load->directory_fd));
	input.manifest_digest = archive_image(load->archive, load->next)->manifest;
	TRY(archive_read_manifest(&manifest, load->engine->store, &input.manifest_digest));
	TRY(blob_read(&config, &input.config_length, load->engine->store, &manifest.config.digest, IMAGE_CONFIG_MAX));
	input.config_text = config;
	TRY(install_new(&load->install, load->engine, load->job, &input, load_installed, load));
	return load_blobs(load);
}

static void load_next(ImageLoad *load)
{
	Error *error = NULL;

	if (load->next < archive_count(load->archive))
		error = load_image(load);
	else
		load_end(load, NULL);
	if (error)
		load_end(load, error);
}

/* ---- taking the archive apart ---- */

static void load_unpacked(void *arg, Error *take_error, const UnpackResult *result)
{
	ImageLoad *load = arg;
	Error *error = take_error;

	if (!error)
		error = archive_open(&load->archive, load->directory_fd, &result->digests);
	load->unpacker = unpacker_free(load->unpacker);
	if (error)
		load_end(load, error_wrap(error, "could not load the archive"));
	else
		load_next(load);
}

static void load_cancel(void *arg)
{
	load_end(arg, error_new(ERROR_CANCELLED, "the load was cancelled"));
}

static void load_free(void *arg)
{
	ImageLoad *load = arg;
	Store *store = load->engine->store;

	unpacker_free(load->unpacker);
	install_free(load->install);
	archive_free(load->archive);
	close_fd(&load->spool_fd);
	close_fd(&load->directory_fd);
	error_free(file_unlink(store_dir(store), load->spool)); /* staging is swept at start as well */
	error_free(store_discard(store, load->directory));
	engine_sweep_soon(load->engine);
	free(load->directory);
	free(load->spool);
	free(load);
}

static fallible load_open(ImageLoad *load)
{
	static const UnpackerHandlers handlers = {.done = load_unpacked};
	Engine *engine = load->engine;
	autofree char *program = engine_program(engine, "kedge-unpack");
	int root = store_dir(engine->store);
	UnpackerOptions options = {.program = program, .mode = UNPACK_ARCHIVE};
	char random[17];

	string_random_hex(random, 16);
	load->directory = string_printf("staging/load-%s", random);
	load->spool = string_printf("staging/load-%s.tar", random);
	TRY(dir_make(root, load->directory, 0700));
	TRY(dir_open(&load->directory_fd, root, load->directory));
	TRY(file_open(&load->spool_fd, root, load->spool, O_RDWR | O_CREAT | O_EXCL, 0600));
	options.input_fd = load->spool_fd;
	options.directory_fd = load->directory_fd;
	return unpacker_start(&load->unpacker, engine->loop, &options, &handlers, load);
}

fallible image_load_begin(ImageLoad **ret, Job **ret_job, Engine *engine)
{
	static const JobImplementation implementation = {.cancel = load_cancel, .free = load_free};
	ImageLoad *load = mem_new(ImageLoad);
	Error *error;

	load->engine = engine;
	load->spool_fd = load->directory_fd = -1;
	error = load_open(load);
	if (error) {
		load_free(load);
		return error;
	}
	load->job = job_new(engine, &implementation, load);
	*ret = load;
	*ret_job = load->job;
	return NULL;
}

fallible image_load_data(ImageLoad *load, const void *data, size_t length)
{
	TRY(fault("engine.load.spool"));
	TRY_WRAP(file_write_all(load->spool_fd, data, length, "archive"), "could not load the archive");
	load->received += (int64_t)length;
	if (load->unpacker)
		unpacker_input(load->unpacker, load->received, false);
	return NULL;
}

void image_load_finish(ImageLoad *load)
{
	if (load->unpacker)
		unpacker_input(load->unpacker, load->received, true);
}

void image_load_abandon(ImageLoad *load)
{
	job_cancel(load->job);
}
