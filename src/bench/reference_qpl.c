/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_qpl.c - QPL's software path as QEMU calls it: a job a page, fixed Huffman codes.
 *
 * Source: QEMU 10.2 migration/multifd-qpl.c. */
#include "bench/reference.h"

#include <errno.h>
#include <qpl/qpl.h>
#include <stdlib.h>

#include "bench/reference_pages.h"
#include "codec/vendor_library.h"

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static struct {
	qpl_status (*get_job_size)(qpl_path_t path, uint32_t *bytes);
	qpl_status (*init_job)(qpl_path_t path, qpl_job *job);
	qpl_status (*execute_job)(qpl_job *job);
	qpl_status (*fini_job)(qpl_job *job);
} qpl;
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

struct qpl_reference {
	struct stream_engine base;
	qpl_job *job;
};

static int probe(const struct engine *engine, struct gw_error *err)
{
	static const struct vendor_symbol symbols[] = {
		{ "qpl_get_job_size", &qpl.get_job_size },
		{ "qpl_init_job", &qpl.init_job },
		{ "qpl_execute_job", &qpl.execute_job },
		{ "qpl_fini_job", &qpl.fini_job },
	};

	return qpl.fini_job
		       ? 0
		       : vendor_library_load("libqpl.so.1", "Debian: libqpl1", symbols,
					     sizeof(symbols) / sizeof(symbols[0]), err);
}

static void close_reference(void *opaque)
{
	struct qpl_reference *state = opaque;

	if (!state)
		return;
	if (state->job)
		qpl.fini_job(state->job);
	free(state->job);
	stream_engine_free(&state->base);
}

static qpl_job *job_new(struct gw_error *err)
{
	uint32_t bytes;
	qpl_status status = qpl.get_job_size(qpl_path_software, &bytes);
	qpl_job *job = status == QPL_STS_OK ? calloc(1, bytes) : NULL;

	if (job)
		status = qpl.init_job(qpl_path_software, job);
	if (job && status == QPL_STS_OK)
		return job;
	free(job);
	fail(err, GW_SYSTEM, "QPL: a job of the software path: status %u", status);
	return NULL;
}

static void *open_reference(const struct engine *engine,
			    const struct engine_options *options, struct gw_error *err)
{
	struct qpl_reference *state =
		stream_engine_new(sizeof(*state), engine, options, false, err);

	if (!state)
		return NULL;
	state->job = job_new(err);
	if (!state->job) {
		close_reference(state);
		return NULL;
	}
	return state;
}

static qpl_status execute(qpl_job *job, qpl_operation operation, struct span source,
			  struct room room)
{
	job->op = operation;
	job->next_in_ptr = (uint8_t *)(uintptr_t)source.bytes; /* QPL reads only */
	job->available_in = (uint32_t)source.length;
	job->next_out_ptr = room.bytes;
	job->available_out = (uint32_t)room.length;
	job->flags = QPL_FLAG_FIRST | QPL_FLAG_LAST | QPL_FLAG_OMIT_VERIFY;
	job->level = qpl_level_1;
	return qpl.execute_job(job);
}

static size_t encode_page(void *opaque, const uint8_t *page, struct room room)
{
	struct qpl_reference *state = opaque;
	struct span source = { page, PAGE_BYTES };

	return execute(state->job, qpl_op_compress, source, room) == QPL_STS_OK
		       ? state->job->total_out
		       : 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written through the room */
static bool decode_page(void *opaque, struct span source, uint8_t *page)
{
	struct qpl_reference *state = opaque;
	struct room room = { page, PAGE_BYTES };

	return execute(state->job, qpl_op_decompress, source, room) == QPL_STS_OK &&
	       state->job->total_out == PAGE_BYTES;
}

static const struct page_library library = { encode_page, decode_page };

static int submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct qpl_reference *state = opaque;

	if (state->base.direction == DECODE)
		return reference_decode_pages(&library, state, job, err);
	reference_encode_pages(&library, state, job);
	return 0;
}

const struct engine reference_qpl = {
	.name = "reference",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_QPL,
	.probe = probe,
	.open = open_reference,
	.submit = submit,
	.reap = stream_engine_reap,
	.close = close_reference,
	.payload_room = stream_engine_payload_room,
};
