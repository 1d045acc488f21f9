/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_qpl.c - Intel's In-Memory Analytics Accelerator, through QPL.
 *
 * Only jobs of the hardware path: the automatic path computes in software and does not tell.
 * What is said here about the library is of its sources, 1.6 and later, up to 1.9.
 *
 * A page to encode is two or three descriptors, one after the other: statistics, the stream (IAA
 * 2.0 makes both in one), and the check that it decodes.  qpl_check_job() hands in the next one
 * when it sees that the one before has finished.  If the queue is full then, it answers "busy"
 * and has marked the job as running although nothing runs: such a job is never asked again. */
#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <qpl/qpl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pages.h"
#include "codec/device.h"
#include "codec/device_trial.h"
#include "codec/vendor_for_tests.h"
#include "codec/vendor_library.h"

/* Units that closing still waits for. */
#define CLOSE_NS (100 * NS_PER_MS)

/* A job is finished after microseconds: so often it is looked at before others get the processor. */
#define SPINS 64u

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static struct {
	qpl_status (*get_job_size)(qpl_path_t path, uint32_t *bytes);
	qpl_status (*init_job)(qpl_path_t path, qpl_job *job);
	qpl_status (*submit_job)(qpl_job *job);
	qpl_status (*check_job)(qpl_job *job);
	qpl_status (*fini_job)(qpl_job *job);
} qpl;

static const struct vendor_symbol symbols[] = {
	{ "qpl_get_job_size", &qpl.get_job_size }, { "qpl_init_job", &qpl.init_job },
	{ "qpl_submit_job", &qpl.submit_job },	   { "qpl_check_job", &qpl.check_job },
	{ "qpl_fini_job", &qpl.fini_job },
};
#define SYMBOLS (sizeof(symbols) / sizeof(symbols[0]))

static qpl_path_t path = qpl_path_hardware;
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

void device_qpl_compute_in_software(void)
{
	path = qpl_path_software;
}

struct slot {
	qpl_job *job; /* NULL: to be made before the next use */
	struct unit *unit;
	qpl_status submitted; /* what submitting it answered */
};

struct qpl_state {
	enum direction direction;
	uint32_t jobs;
	uint32_t inside;
	/* Those with a unit inside first, in the order of their submission. */
	struct slot slots[];
};

/* ---- jobs ---- */

/* A job that could not be initialized must not be used: QPL has made a software job of it, with
 * the hardware job's smaller buffers. */
static qpl_status job_new(qpl_job **job)
{
	uint32_t bytes;
	qpl_status status = qpl.get_job_size(path, &bytes);

	if (status != QPL_STS_OK)
		return status;
	*job = aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64);
	if (!*job)
		return QPL_STS_NO_MEM_ERR;
	memset(*job, 0, bytes);
	status = qpl.init_job(path, *job);
	if (status != QPL_STS_OK) {
		free(*job);
		*job = NULL;
	}
	return status;
}

static void job_free(qpl_job *job)
{
	if (job)
		qpl.fini_job(job);
	free(job);
}

/* ---- probe ---- */

static bool host_has_iaa(void)
{
	glob_t found;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no name of a home in it */
	bool any = glob("/sys/bus/dsa/devices/iax*", GLOB_NOSORT, NULL, &found) == 0;

	globfree(&found);
	return any;
}

static int fail_init(qpl_status status, struct gw_error *err)
{
	switch (status) {
	case QPL_STS_NO_MEM_ERR:
		return fail_sys(err, ENOMEM, "a QPL job");
	case QPL_STS_INIT_LIBACCEL_NOT_FOUND:
		return fail(err, GW_UNSUPPORTED,
			    "libaccel-config.so.1 is missing (qpl_init_job answered %u): "
			    "install libaccel-config1",
			    status);
	case QPL_STS_INIT_LIBACCEL_ERROR:
		return fail(err, GW_UNSUPPORTED,
			    "libaccel-config cannot list the devices below /sys/bus/dsa "
			    "(qpl_init_job answered %u)",
			    status);
	case QPL_STS_INIT_WORK_QUEUES_NOT_AVAILABLE:
		if (!host_has_iaa())
			return fail(err, GW_UNSUPPORTED,
				    "there is no IAA on this host (qpl_init_job answered "
				    "%u)",
				    status);
		return fail(err, GW_UNSUPPORTED,
			    "no IAA has a shared work queue that this user may use "
			    "(qpl_init_job answered %u): enable one with accel-config, "
			    "make its /dev/iax/wq* the user's",
			    status);
	default:
		return fail(
			err, GW_UNSUPPORTED,
			"QPL's hardware path cannot be used (qpl_init_job answered %u)",
			status);
	}
}

static int qpl_probe(struct gw_error *err)
{
	qpl_job *job;
	qpl_status status;

	if (vendor_library_load("libqpl.so.1", "Debian: libqpl1", symbols, SYMBOLS, err) <
	    0)
		return -1;
	status = job_new(&job);
	if (status != QPL_STS_OK)
		return fail_init(status, err);
	job_free(job);
	return device_trial(&device_qpl, UNIT_DEFLATE, err);
}

/* ---- one channel and direction ---- */

static void state_free(struct qpl_state *state)
{
	for (uint32_t i = 0; i < state->jobs; i++)
		job_free(state->slots[i].job);
	free(state);
}

static void *qpl_open(enum unit_form form, enum direction direction, int level,
		      uint32_t jobs, struct gw_error *err)
{
	struct qpl_state *state;

	assert(form == UNIT_DEFLATE);
	state = calloc(1, sizeof(*state) + jobs * sizeof(state->slots[0]));
	if (!state) {
		fail_sys(err, ENOMEM, "QPL");
		return NULL;
	}
	state->direction = direction;
	state->jobs = jobs;
	for (uint32_t i = 0; i < jobs; i++) {
		qpl_status status = job_new(&state->slots[i].job);

		if (status != QPL_STS_OK) {
			fail_init(status, err);
			state_free(state);
			return NULL;
		}
	}
	return state;
}

static void describe(qpl_job *job, enum direction direction, const struct unit *unit)
{
	bool encode = direction == ENCODE;

	job->op = encode ? qpl_op_compress : qpl_op_decompress;
	/* Without QPL_FLAG_OMIT_VERIFY: the device decodes what it has made. */
	job->flags = QPL_FLAG_FIRST | QPL_FLAG_LAST;
	if (encode)
		job->flags |= QPL_FLAG_DYNAMIC_HUFFMAN;
	/* The only one in hardware. */
	job->level = qpl_default_level;
	job->huffman_table = NULL;
	/* It is read only. */
	job->next_in_ptr = (uint8_t *)unit->source.bytes;
	job->available_in = (uint32_t)unit->source.length;
	job->next_out_ptr = unit->room.bytes;
	job->available_out = (uint32_t)unit->room.length;
	/* A call that fails leaves it as it is. */
	job->total_out = 0;
	job->numa_id = QPL_DEVICE_NUMA_ID_SOCKET;
}

/* The devices of this thread's socket first.  Where it has none, which is no full queue but "no
 * work queues", those of the others. */
static qpl_status submit_anywhere(qpl_job *job, enum direction direction,
				  const struct unit *unit)
{
	qpl_status status;

	describe(job, direction, unit);
	status = qpl.submit_job(job);
	if (status != QPL_STS_INIT_WORK_QUEUES_NOT_AVAILABLE)
		return status;
	describe(job, direction, unit);
	job->numa_id = QPL_DEVICE_NUMA_ID_ANY;
	return qpl.submit_job(job);
}

static bool is_busy(qpl_status status)
{
	return status == QPL_STS_QUEUES_ARE_BUSY_ERR ||
	       status == QPL_STS_NOT_SUPPORTED_BY_WQ;
}

static enum device_answer qpl_submit(void *opaque, struct unit *unit)
{
	struct qpl_state *state = opaque;
	struct slot *slot = &state->slots[state->inside];
	qpl_status status = QPL_STS_OK;

	assert(state->inside < state->jobs);
	if (!slot->job)
		status = job_new(&slot->job);
	if (status != QPL_STS_OK) {
		unit_failed(unit, "qpl_init_job", (int)status);
		return DEVICE_FAILED;
	}
	status = submit_anywhere(slot->job, state->direction, unit);
	if (is_busy(status))
		return DEVICE_BUSY;
	slot->submitted = status;
	slot->unit = unit;
	state->inside++;
	return DEVICE_TAKEN;
}

/* Whether the job is good for another unit. */
static bool settle(const struct slot *slot, enum direction direction, qpl_status status)
{
	struct unit *unit = slot->unit;
	const qpl_job *job = slot->job;

	if (direction == ENCODE && status == QPL_STS_OK) {
		unit_done(unit, job->total_out);
		return true;
	}
	if (direction == ENCODE && (status == QPL_STS_MORE_OUTPUT_NEEDED ||
				    status == QPL_STS_DST_IS_SHORT_ERR)) {
		unit_full(unit);
		return true;
	}
	if (status != QPL_STS_OK) {
		/* A page is two or three descriptors. */
		if (is_busy(status))
			unit_busy(unit);
		else
			unit_failed(unit,
				    slot->submitted == QPL_STS_OK ? "qpl_check_job"
								  : "qpl_submit_job",
				    (int)status);
		/* What a job remembers of a busy queue or of page faults is forgotten only by
		 * qpl_init_job(). */
		return false;
	}
	/* Software takes a stream that is cut for complete. */
	if (job->total_out != unit->room.length)
		unit_failed(unit, "not as many bytes as a page", (int)job->total_out);
	else if (job->available_in > 0)
		unit_failed(unit, "bytes after the stream", (int)job->available_in);
	else
		unit_done(unit, job->total_out);
	return true;
}

static struct unit *take_finished(struct qpl_state *state)
{
	for (uint32_t i = 0; i < state->inside; i++) {
		struct slot slot = state->slots[i];
		qpl_status status = slot.submitted;

		if (status == QPL_STS_OK)
			status = qpl.check_job(slot.job);
		if (status == QPL_STS_BEING_PROCESSED)
			continue;
		if (!settle(&slot, state->direction, status)) {
			job_free(slot.job);
			slot.job = NULL;
		}
		state->inside--;
		for (; i < state->inside; i++)
			state->slots[i] = state->slots[i + 1];
		state->slots[i] = slot;
		return slot.unit;
	}
	return NULL;
}

static struct unit *qpl_reap(void *opaque, bool wait)
{
	struct qpl_state *state = opaque;
	uint64_t end_ns = 0;

	for (uint32_t spin = 0;; spin++) {
		struct unit *unit = take_finished(state);

		if (unit || !wait || state->inside == 0)
			return unit;
		if (spin < SPINS) {
			__builtin_ia32_pause();
			continue;
		}
		if (end_ns == 0)
			end_ns = clock_now_ns() + DEVICE_REAP_MS * NS_PER_MS;
		else if (clock_now_ns() >= end_ns)
			return NULL;
		sched_yield();
	}
}

static bool qpl_close(void *opaque)
{
	struct qpl_state *state = opaque;
	uint64_t end_ns = clock_now_ns() + CLOSE_NS;

	while (state->inside > 0 && clock_now_ns() < end_ns)
		qpl_reap(state, true);
	if (state->inside > 0)
		return false;
	state_free(state);
	return true;
}

/* ---- memory ---- */

/* With its pages in place: where block_on_fault is off, a job forgives one page fault in its
 * life, so that the first pages of many channels would be failures in a row. */
static void *qpl_allocate(size_t bytes)
{
	void *memory = aligned_alloc(PAGE_BYTES, bytes);

	if (memory)
		memset(memory, 0, bytes);
	return memory;
}

static void qpl_release(void *memory, size_t bytes)
{
	free(memory);
}

const struct device device_qpl = {
	.name = "qpl",
	.accelerator = ACCELERATOR_QPL,
	.encodes = 1u << UNIT_DEFLATE,
	.decodes = 1u << UNIT_DEFLATE,
	.probe = qpl_probe,
	.open = qpl_open,
	.submit = qpl_submit,
	.reap = qpl_reap,
	.close = qpl_close,
	.allocate = qpl_allocate,
	.release = qpl_release,
};
