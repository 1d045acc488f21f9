/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_qpl_test.c - our code for QPL on a library that answers as an IAA's would.
 *
 * The library is this file: its "stream" is a byte and the page.  Jobs finish when the test says
 * so, with the status that it says. */
#include <qpl/qpl.h>
#include <sys/mman.h>

#include "base/pages.h"
#include "codec/device.h"
#include "codec/vendor_library.h"
#include "tests/check.h"

#define JOBS 8u
#define KNOWN_MAX 64u

static struct library {
	uint32_t loads;
	uint32_t inits, finis, checks, submits;
	qpl_status init_status;
	qpl_status submit_status;
	uint32_t busy;	    /* submits that find the queue full first */
	uint32_t half_done; /* jobs that find it full between two descriptors */
	bool corrupt;
	bool elsewhere; /* the devices are another socket's */
	bool automatic; /* jobs finish as soon as they are submitted */
	struct known {
		qpl_job *job;
		bool inside;
		bool finished;
		qpl_status status; /* when it is finished */
		uint32_t wanting;  /* bytes that its output lacks */
	} known[KNOWN_MAX];
} library;

static struct known *known(const qpl_job *job)
{
	for (uint32_t i = 0; i < KNOWN_MAX; i++)
		if (library.known[i].job == job)
			return &library.known[i];
	abort();
}

/* ---- the library ---- */

static qpl_status fake_get_job_size(qpl_path_t path, uint32_t *bytes)
{
	if (path != qpl_path_hardware)
		abort();
	*bytes = sizeof(qpl_job) + 1;
	return QPL_STS_OK;
}

static qpl_status fake_init_job(qpl_path_t path, qpl_job *job)
{
	if (path != qpl_path_hardware)
		abort();
	if (library.init_status != QPL_STS_OK)
		return library.init_status;
	library.inits++;
	*known(NULL) = (struct known){ .job = job };
	memset(job, 0, sizeof(*job));
	job->numa_id = -1;
	return QPL_STS_OK;
}

static qpl_status fake_fini_job(qpl_job *job)
{
	if (known(job)->inside)
		abort();
	known(job)->job = NULL;
	library.finis++;
	return QPL_STS_OK;
}

static qpl_status fake_submit_job(qpl_job *job)
{
	struct known *k = known(job);

	library.submits++;
	if (library.elsewhere && job->numa_id == QPL_DEVICE_NUMA_ID_SOCKET)
		return QPL_STS_INIT_WORK_QUEUES_NOT_AVAILABLE;
	if (k->inside ||
	    job->numa_id != (library.elsewhere ? QPL_DEVICE_NUMA_ID_ANY
					       : QPL_DEVICE_NUMA_ID_SOCKET) ||
	    (job->flags & QPL_FLAG_OMIT_VERIFY) != 0 ||
	    (job->flags & (QPL_FLAG_FIRST | QPL_FLAG_LAST)) !=
		    (QPL_FLAG_FIRST | QPL_FLAG_LAST))
		abort();
	if (library.submit_status != QPL_STS_OK)
		return library.submit_status;
	if (library.busy > 0) {
		library.busy--;
		return QPL_STS_QUEUES_ARE_BUSY_ERR;
	}
	k->inside = true;
	k->finished = library.automatic;
	k->status = QPL_STS_OK;
	if (library.half_done > 0) {
		library.half_done--;
		k->status = QPL_STS_QUEUES_ARE_BUSY_ERR;
	}
	k->wanting = 0;
	return QPL_STS_OK;
}

static void compute(qpl_job *job, uint32_t wanting)
{
	bool encode = job->op == qpl_op_compress;
	uint32_t bytes = job->available_in + (encode ? 1u : -1u) - wanting;

	if (bytes > job->available_out)
		abort();
	memcpy(job->next_out_ptr + (encode ? 1 : 0), job->next_in_ptr + (encode ? 0 : 1),
	       bytes - (encode ? 1 : 0));
	if (encode)
		job->next_out_ptr[0] = 0x77;
	if (library.corrupt)
		job->next_out_ptr[100] ^= 1;
	job->total_out = bytes;
	job->available_in = 0;
}

static qpl_status fake_check_job(qpl_job *job)
{
	struct known *k = known(job);

	library.checks++;
	/* What was given back is not asked again. */
	if (!k->inside)
		abort();
	if (!k->finished)
		return QPL_STS_BEING_PROCESSED;
	k->inside = false;
	if (k->status == QPL_STS_OK)
		compute(job, k->wanting);
	return k->status;
}

int vendor_library_load(const char *soname, const char *source,
			const struct vendor_symbol *symbols, uint32_t count,
			struct gw_error *err)
{
	static const struct {
		const char *name;
		void *function;
	} functions[] = {
		{ "qpl_get_job_size", fake_get_job_size },
		{ "qpl_init_job", fake_init_job },
		{ "qpl_fini_job", fake_fini_job },
		{ "qpl_submit_job", fake_submit_job },
		{ "qpl_check_job", fake_check_job },
	};

	library.loads++;
	for (uint32_t i = 0; i < count; i++)
		for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++)
			if (strcmp(functions[f].name, symbols[i].name) == 0)
				memcpy(symbols[i].function, &functions[f].function,
				       sizeof(void *));
	return 0;
}

/* ---- what the tests start from ---- */

static uint8_t pages[JOBS][PAGE_BYTES], rooms[JOBS][2 * PAGE_BYTES];
static struct unit units[JOBS];

static void *start(enum direction direction, uint32_t jobs)
{
	struct gw_error err;
	void *state;

	library = (struct library){ .automatic = true };
	CHECK_OK(device_qpl.probe(&err), &err);
	library.automatic = false;
	state = device_qpl.open(UNIT_DEFLATE, direction, 0, jobs, &err);
	CHECK_OK(state ? 0 : -1, &err);
	for (uint32_t i = 0; i < JOBS; i++)
		units[i] = (struct unit){
			.source = { pages[i], PAGE_BYTES },
			.room = { rooms[i], sizeof(rooms[i]) },
		};
	return state;
}

static void submit_all(void *state)
{
	for (uint32_t i = 0; i < JOBS; i++)
		CHECK_EQ(device_qpl.submit(state, &units[i]), DEVICE_TAKEN);
}

/* The job that has this unit. */
static struct known *job_of(const struct unit *unit)
{
	for (uint32_t i = 0; i < KNOWN_MAX; i++)
		if (library.known[i].inside &&
		    library.known[i].job->next_out_ptr == unit->room.bytes)
			return &library.known[i];
	abort();
}

static void finish(const struct unit *unit, qpl_status status)
{
	struct known *k = job_of(unit);

	k->status = status;
	k->finished = true;
}

/* ---- tests ---- */

static void check_probe_says(qpl_status status, const char *text)
{
	struct gw_error err;

	library = (struct library){ .init_status = status };
	CHECK_EQ(device_qpl.probe(&err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, text);
	CHECK_EQ(library.submits, 0);
	/* Such a job is not even given back. */
	CHECK_EQ(library.finis, 0);
}

TEST(probe_says_why)
{
	check_probe_says(QPL_STS_INIT_HW_NOT_SUPPORTED, "answered 500");
	check_probe_says(QPL_STS_INIT_LIBACCEL_NOT_FOUND, "install libaccel-config1");
	check_probe_says(QPL_STS_INIT_LIBACCEL_ERROR, "answered 502");
	check_probe_says(QPL_STS_INIT_WORK_QUEUES_NOT_AVAILABLE, "answered 503");
}

TEST(probe_tries_a_page)
{
	struct gw_error err;

	library = (struct library){ .automatic = true };
	CHECK_OK(device_qpl.probe(&err), &err);
	CHECK_EQ(library.submits, 2);
	CHECK_EQ(library.inits, library.finis);

	library = (struct library){ .automatic = true, .corrupt = true };
	CHECK_EQ(device_qpl.probe(&err), -1);
	CHECK_CONTAINS(err.text, "another page");

	library = (struct library){ .automatic = true, .submit_status = 52 };
	CHECK_EQ(device_qpl.probe(&err), -1);
	CHECK_CONTAINS(err.text, "did not encode a page: qpl_submit_job (52)");
	CHECK_EQ(library.inits, library.finis);

	library = (struct library){ .submit_status = QPL_STS_QUEUES_ARE_BUSY_ERR };
	CHECK_EQ(device_qpl.probe(&err), -1);
	CHECK_CONTAINS(err.text, "its queue is full");
}

/* Others' pages go first: that is no reason to refuse the device for as long as we live. */
TEST(probe_waits_for_a_full_queue)
{
	struct gw_error err;

	library = (struct library){ .automatic = true, .busy = 20, .half_done = 3 };
	CHECK_OK(device_qpl.probe(&err), &err);
	CHECK_EQ(library.submits, 20 + 3 + 2);
	CHECK_EQ(library.inits, library.finis);

	library = (struct library){ .automatic = true, .half_done = UINT32_MAX };
	CHECK_EQ(device_qpl.probe(&err), -1);
	CHECK_CONTAINS(err.text, "its queue is full");
}

/* A device that swallows the page keeps it: nothing is freed under it. */
TEST(probe_gives_a_hung_device_up)
{
	struct gw_error err;

	library = (struct library){ 0 };
	CHECK_EQ(device_qpl.probe(&err), -1);
	CHECK_CONTAINS(err.text, "did not answer");
	CHECK_EQ(library.finis, 1);
	CHECK_EQ(library.inits, 2);
}

TEST(answers_in_any_order)
{
	static const uint32_t order[JOBS] = { 3, 7, 0, 6, 1, 2, 5, 4 };
	void *state = start(ENCODE, JOBS);

	for (uint32_t round = 0; round < 3; round++) {
		submit_all(state);
		CHECK(!device_qpl.reap(state, false));
		CHECK(!device_qpl.reap(state, true));
		for (uint32_t i = 0; i < JOBS; i++) {
			struct unit *unit = &units[order[(i + round) % JOBS]];

			finish(unit, QPL_STS_OK);
			CHECK(device_qpl.reap(state, i % 2) == unit);
			CHECK_EQ(unit->answer, UNIT_DONE);
			CHECK_EQ(unit->produced, PAGE_BYTES + 1);
		}
		CHECK(!device_qpl.reap(state, true));
	}
	CHECK(device_qpl.close(state));
	CHECK_EQ(library.inits, library.finis);
}

static void check_busy(qpl_status status)
{
	void *state = start(ENCODE, 1);

	library.submit_status = status;
	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_BUSY);
	CHECK(!device_qpl.reap(state, false));
	library.submit_status = QPL_STS_OK;
	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	finish(&units[0], QPL_STS_OK);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	CHECK(device_qpl.close(state));
}

TEST(full_queue_is_busy)
{
	check_busy(QPL_STS_QUEUES_ARE_BUSY_ERR);
	check_busy(QPL_STS_NOT_SUPPORTED_BY_WQ);
}

TEST(devices_of_another_socket_serve_too)
{
	void *state = start(ENCODE, 1);

	for (uint32_t i = 0; i < 4; i++) {
		library.elsewhere = i % 2 == 0;
		CHECK_EQ(device_qpl.submit(state, &units[i]), DEVICE_TAKEN);
		finish(&units[i], QPL_STS_OK);
		CHECK(device_qpl.reap(state, false) == &units[i]);
		CHECK_EQ(units[i].answer, UNIT_DONE);
	}
	CHECK(device_qpl.close(state));
}

TEST(memory_has_its_pages)
{
	enum { PAGES = 256 };
	unsigned char resident[PAGES];
	uint8_t *memory = device_qpl.allocate(PAGES * PAGE_BYTES);

	CHECK(memory && (uintptr_t)memory % PAGE_BYTES == 0);
	CHECK_EQ(mincore(memory, PAGES * PAGE_BYTES, resident), 0);
	for (uint32_t i = 0; i < PAGES; i++)
		CHECK(resident[i] & 1);
	device_qpl.release(memory, PAGES * PAGE_BYTES);
}

/* The unit comes back with that answer, and the job is made anew. */
static void check_failure(qpl_status status, enum unit_answer answer)
{
	void *state = start(ENCODE, 1);
	uint32_t inits = library.inits;

	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	finish(&units[0], status);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	CHECK_EQ(units[0].answer, answer);
	if (answer == UNIT_FAILED) {
		CHECK_EQ(units[0].code, status);
		CHECK_CONTAINS(units[0].why, "qpl_check_job");
	}
	CHECK_EQ(device_qpl.submit(state, &units[1]), DEVICE_TAKEN);
	CHECK_EQ(library.inits, inits + 1);
	finish(&units[1], QPL_STS_OK);
	CHECK(device_qpl.reap(state, false) == &units[1]);
	CHECK_EQ(units[1].answer, UNIT_DONE);
	CHECK(device_qpl.close(state));
	CHECK_EQ(library.inits, library.finis);
}

TEST(failure_renews_the_job)
{
	check_failure(QPL_STS_INVALID_HUFFCODE_ERR, UNIT_FAILED);
	check_failure(QPL_STS_INTL_PAGE_FAULT, UNIT_FAILED);
	check_failure(QPL_STS_INTL_W_PAGE_FAULT, UNIT_FAILED);
	/* Between two descriptors of a page. */
	check_failure(QPL_STS_QUEUES_ARE_BUSY_ERR, UNIT_BUSY);
}

/* No job any more: a failure, and the next try is as good as the first. */
TEST(job_that_cannot_be_renewed)
{
	void *state = start(ENCODE, 1);

	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	finish(&units[0], QPL_STS_INTL_PAGE_FAULT);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	library.init_status = QPL_STS_INIT_WORK_QUEUES_NOT_AVAILABLE;
	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_FAILED);
	CHECK_EQ(units[0].code, 503);
	library.init_status = QPL_STS_OK;
	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	finish(&units[0], QPL_STS_OK);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	CHECK(device_qpl.close(state));
}

static void check_full(qpl_status status)
{
	void *state = start(ENCODE, 1);
	uint32_t inits = library.inits;

	for (uint32_t i = 0; i < 3; i++) {
		CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
		finish(&units[0], status);
		CHECK(device_qpl.reap(state, false) == &units[0]);
		CHECK_EQ(units[0].answer, UNIT_FULL);
	}
	CHECK_EQ(library.inits, inits);
	CHECK(device_qpl.close(state));
}

TEST(full_output)
{
	check_full(QPL_STS_MORE_OUTPUT_NEEDED);
	check_full(QPL_STS_DST_IS_SHORT_ERR);
}

/* For a decoder it is a page that is too long. */
TEST(decoder_has_no_full_output)
{
	void *state = start(DECODE, 1);

	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	finish(&units[0], QPL_STS_MORE_OUTPUT_NEEDED);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_FAILED);
	CHECK_EQ(units[0].code, 2);
	CHECK(device_qpl.close(state));
}

TEST(decoder_wants_the_whole_page)
{
	void *state = start(DECODE, 1);

	units[0].source.length = PAGE_BYTES / 2 + 1;
	units[0].room.length = PAGE_BYTES / 2;
	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	finish(&units[0], QPL_STS_OK);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_DONE);

	CHECK_EQ(device_qpl.submit(state, &units[0]), DEVICE_TAKEN);
	job_of(&units[0])->wanting = 1;
	finish(&units[0], QPL_STS_OK);
	CHECK(device_qpl.reap(state, false) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_FAILED);
	CHECK_EQ(units[0].code, PAGE_BYTES / 2 - 1);
	CHECK(device_qpl.close(state));
}

TEST(close_leaves_units_that_do_not_come_back)
{
	void *state = start(ENCODE, JOBS);
	uint32_t finis = library.finis;

	submit_all(state);
	finish(&units[2], QPL_STS_OK);
	CHECK(!device_qpl.close(state));
	CHECK_EQ(library.finis, finis);
}

TEST_MAIN(TEST_OF(probe_says_why), TEST_OF(probe_tries_a_page),
	  TEST_OF(probe_waits_for_a_full_queue), TEST_OF(probe_gives_a_hung_device_up),
	  TEST_OF(answers_in_any_order), TEST_OF(full_queue_is_busy),
	  TEST_OF(devices_of_another_socket_serve_too), TEST_OF(memory_has_its_pages),
	  TEST_OF(failure_renews_the_job), TEST_OF(job_that_cannot_be_renewed),
	  TEST_OF(full_output), TEST_OF(decoder_has_no_full_output),
	  TEST_OF(decoder_wants_the_whole_page),
	  TEST_OF(close_leaves_units_that_do_not_come_back))
