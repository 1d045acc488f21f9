/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_qatzip_test.c - our code for QATzip on a library that answers as with a QAT.
 *
 * The library is this file: its "members" are not deflated. */
#include <qatzip.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/pages.h"
#include "codec/device.h"
#include "codec/gzip_member.h"
#include "codec/vendor_library.h"
#include "tests/check.h"

#define HEAD (GZIP_MEMBER_HEADER_BYTES + GZIP_MEMBER_TRAILER_BYTES)

static struct library {
	bool available;
	uint32_t inits, setups, teardowns, calls, mallocs;
	int init_answer, setup_answer,
		answer;		    /* `answer` is that of the next call only */
	long hardware;		    /* hw_session_stat */
	unsigned unread, unwritten; /* of the next call */
	bool no_memory;
	unsigned last;
	QzSessionParamsDeflate_T params; /* of the last session */
} library;

/* ---- the library ---- */

static int fake_is_available(void)
{
	return library.available;
}

static QzLogLevel_T fake_set_log_level(QzLogLevel_T level)
{
	return level;
}

static int fake_init(QzSession_T *session, unsigned char sw_backup)
{
	if (!library.available || sw_backup != 0)
		abort();
	if (library.init_answer != QZ_OK)
		return library.init_answer;
	return library.inits++ == 0 ? QZ_OK : QZ_DUPLICATE;
}

static int fake_get_defaults(QzSessionParamsDeflate_T *params)
{
	memset(params, 0, sizeof(*params));
	params->common_params.sw_backup = 1;
	params->common_params.input_sz_thrshold = QZ_COMP_THRESHOLD_DEFAULT;
	return QZ_OK;
}

static int fake_setup(QzSession_T *session, QzSessionParamsDeflate_T *params)
{
	if (session->internal)
		abort();
	library.setups++;
	library.params = *params;
	if (library.setup_answer < 0)
		return library.setup_answer;
	session->internal = &library;
	session->hw_session_stat = library.hardware;
	return QZ_OK;
}

static int fake_teardown(QzSession_T *session)
{
	if (!session->internal)
		abort();
	session->internal = NULL;
	library.teardowns++;
	return QZ_OK;
}

static int begin_call(QzSession_T *session, unsigned *unread, unsigned *unwritten)
{
	int answer = library.answer;

	if (!session->internal)
		abort();
	library.calls++;
	*unread = library.unread;
	*unwritten = library.unwritten;
	library.unread = library.unwritten = 0;
	library.answer = QZ_OK;
	return answer;
}

/* As far as anybody looks who does not decode it. */
static void put_member(uint8_t *room, const uint8_t *source, uint32_t source_bytes)
{
	gzip_member_put_header(room, 1, source_bytes, source_bytes);
	memmove(room + GZIP_MEMBER_HEADER_BYTES, source, source_bytes);
	gzip_member_put_trailer(room + GZIP_MEMBER_HEADER_BYTES + source_bytes, 0,
				source_bytes);
}

static int fake_compress(QzSession_T *session, const unsigned char *source,
			 unsigned int *source_bytes, unsigned char *room,
			 unsigned int *room_bytes, unsigned int last)
{
	unsigned unread, unwritten;
	int answer = begin_call(session, &unread, &unwritten);

	library.last = last;
	if (answer == QZ_OK && *room_bytes < *source_bytes + HEAD)
		answer = QZ_BUF_ERROR;
	if (answer != QZ_OK) {
		*source_bytes = *room_bytes = 0;
		return answer;
	}
	if (last) {
		put_member(room, source, *source_bytes);
	} else {
		memset(room, 0, HEAD);
		memcpy(room + HEAD, source, *source_bytes);
	}
	*room_bytes = *source_bytes + HEAD;
	*source_bytes -= unread;
	return QZ_OK;
}

static int fake_decompress(QzSession_T *session, const unsigned char *source,
			   unsigned int *source_bytes, unsigned char *room,
			   unsigned int *room_bytes)
{
	unsigned unread, unwritten;
	int answer = begin_call(session, &unread, &unwritten);

	if (answer != QZ_OK) {
		*source_bytes = *room_bytes = 0;
		return answer;
	}
	*room_bytes = *source_bytes - HEAD - unwritten;
	memcpy(room, source + GZIP_MEMBER_HEADER_BYTES, *room_bytes);
	*source_bytes -= unread;
	return QZ_OK;
}

static void *fake_malloc(size_t bytes, int numa, int pinned)
{
	if (pinned != PINNED_MEM || numa != QZ_AUTO_SELECT_NUMA_NODE)
		abort();
	library.mallocs++;
	/* 64 bytes is what it aligns to. */
	return library.no_memory
		       ? NULL
		       : (uint8_t *)aligned_alloc(PAGE_BYTES, bytes + PAGE_BYTES) + 64;
}

int vendor_library_load(const char *soname, const char *source,
			const struct vendor_symbol *symbols, uint32_t count,
			struct gw_error *err)
{
	static const struct {
		const char *name;
		void *function;
	} functions[] = {
		{ "icp_sal_userIsQatAvailable", fake_is_available },
		{ "qzSetLogLevel", fake_set_log_level },
		{ "qzInit", fake_init },
		{ "qzGetDefaultsDeflate", fake_get_defaults },
		{ "qzSetupSessionDeflate", fake_setup },
		{ "qzCompress", fake_compress },
		{ "qzDecompress", fake_decompress },
		{ "qzTeardownSession", fake_teardown },
		{ "qzMalloc", fake_malloc },
	};

	for (uint32_t i = 0; i < count; i++)
		for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++)
			if (strcmp(functions[f].name, symbols[i].name) == 0)
				memcpy(symbols[i].function, &functions[f].function,
				       sizeof(void *));
	return 0;
}

/* ---- what the tests start from ---- */

static uint8_t pages[4][PAGE_BYTES], rooms[4][2 * PAGE_BYTES];
static struct unit units[4];

static void *start(enum unit_form form, enum direction direction, int level)
{
	struct gw_error err;
	void *state;

	library = (struct library){ .available = true };
	CHECK_OK(device_qatzip.probe(&err), &err);
	CHECK_EQ(library.setups, library.teardowns);
	state = device_qatzip.open(form, direction, level, 4, &err);
	CHECK_OK(state ? 0 : -1, &err);
	for (uint32_t i = 0; i < 4; i++) {
		bool encode = direction == ENCODE;

		memset(pages[i], 0x40 + (int)i, PAGE_BYTES);
		put_member(rooms[i], pages[i], PAGE_BYTES);
		units[i] = (struct unit){
			.source = { encode ? pages[i] : rooms[i],
				    PAGE_BYTES + (encode ? 0 : HEAD) },
			.room = { encode ? rooms[i] : pages[i],
				  encode ? sizeof(rooms[i]) : PAGE_BYTES },
		};
	}
	return state;
}

static struct unit *run(void *state, struct unit *unit)
{
	CHECK_EQ(device_qatzip.submit(state, unit), DEVICE_TAKEN);
	return device_qatzip.reap(state, true);
}

/* Everything that was set up is taken down. */
static void end(void *state)
{
	CHECK(device_qatzip.close(state));
	CHECK_EQ(library.setups, library.teardowns);
}

/* ---- tests ---- */

TEST(probe_does_not_enter_without_a_device)
{
	struct gw_error err;

	library = (struct library){ 0 };
	CHECK_EQ(device_qatzip.probe(&err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "icp_sal_userIsQatAvailable");
	CHECK_EQ(library.inits + library.mallocs, 0);
}

static void check_probe_says(const struct library *answers, const char *text)
{
	struct gw_error err;

	library = *answers;
	library.available = true;
	CHECK_EQ(device_qatzip.probe(&err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, text);
}

TEST(probe_says_why)
{
	check_probe_says(&(struct library){ .init_answer = QZ_NOSW_NO_HW },
			 "answered -101: the device cannot be started");
	check_probe_says(&(struct library){ .setup_answer = QZ_NOSW_LOW_MEM },
			 "answered -104: no memory");
	check_probe_says(&(struct library){ .hardware = QZ_NO_HW }, "answered -101");
	CHECK_EQ(library.teardowns, 1);
	check_probe_says(&(struct library){ .answer = QZ_PARAMS },
			 "did not encode a page: qzCompress (-1)");
	CHECK_EQ(library.setups, library.teardowns);
}

TEST(sessions_are_of_hardware_only)
{
	void *state = start(UNIT_MEMBERS, ENCODE, 7);
	const QzSessionParamsCommon_T *common = &library.params.common_params;

	CHECK_EQ(library.params.data_fmt, QZ_DEFLATE_GZIP_EXT);
	CHECK_EQ(common->comp_lvl, 7);
	CHECK_EQ(common->sw_backup, 0);
	CHECK_EQ(common->hw_buff_sz, UNIT_MEMBER_BYTES);
	CHECK_EQ(common->input_sz_thrshold, 128);
	end(state);
	end(start(UNIT_BLOCKS, ENCODE, 1));
	CHECK_EQ(library.params.data_fmt, QZ_DEFLATE_RAW);
}

TEST(results_in_order)
{
	void *state = start(UNIT_MEMBERS, ENCODE, 1);

	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQ(device_qatzip.submit(state, &units[i]), DEVICE_TAKEN);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(device_qatzip.reap(state, false) == &units[i]);
		CHECK_EQ(units[i].answer, UNIT_DONE);
		CHECK_EQ(units[i].produced, PAGE_BYTES + HEAD);
		CHECK_EQ(rooms[i][HEAD], 0x40 + i);
	}
	CHECK(!device_qatzip.reap(state, true));
	CHECK_EQ(library.last, 1);
	end(state);
}

TEST(no_instance_is_busy)
{
	void *state = start(UNIT_MEMBERS, ENCODE, 1);
	uint32_t setups = library.setups;

	library.answer = QZ_NOSW_NO_INST_ATTACH;
	CHECK_EQ(device_qatzip.submit(state, &units[0]), DEVICE_BUSY);
	CHECK(!device_qatzip.reap(state, false));
	CHECK(run(state, &units[0]) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_DONE);
	CHECK_EQ(library.setups, setups);
	end(state);
}

/* With that answer, and a new session for the next. */
static void check_encode(int answer, unsigned unread, enum unit_answer expected)
{
	void *state = start(UNIT_MEMBERS, ENCODE, 1);
	uint32_t setups = library.setups;

	library.answer = answer;
	library.unread = unread;
	CHECK(run(state, &units[0]) == &units[0]);
	CHECK_EQ(units[0].answer, expected);
	CHECK(run(state, &units[1]) == &units[1]);
	CHECK_EQ(units[1].answer, UNIT_DONE);
	CHECK_EQ(library.setups, setups + 1);
	end(state);
}

TEST(encoder_errors)
{
	check_encode(QZ_PARAMS, 0, UNIT_FAILED);
	check_encode(QZ_OK, 4, UNIT_FAILED);
	check_encode(QZ_BUF_ERROR, 0, UNIT_FULL);
}

static void check_decode(int answer, unsigned unread, unsigned unwritten)
{
	void *state = start(UNIT_MEMBERS, DECODE, 0);
	uint32_t setups = library.setups;

	library.answer = answer;
	library.unread = unread;
	library.unwritten = unwritten;
	CHECK(run(state, &units[0]) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_FAILED);
	CHECK_CONTAINS(units[0].why, "qzDecompress");
	CHECK(run(state, &units[1]) == &units[1]);
	CHECK_EQ(units[1].answer, UNIT_DONE);
	CHECK_EQ(library.setups, setups + 1);
	end(state);
}

TEST(decoder_believes_only_all_three)
{
	check_decode(QZ_DATA_ERROR, 0, 0);
	check_decode(QZ_OK, 1, 0);
	check_decode(QZ_OK, 0, 1);
}

/* Requests of it may still be in the device. */
TEST(unit_that_is_given_up_half_way_never_comes_back)
{
	static const enum direction directions[] = { ENCODE, DECODE };

	for (unsigned i = 0; i < 2; i++) {
		void *state = start(UNIT_MEMBERS, directions[i], i == 0);
		unsigned teardowns = library.teardowns;

		library.answer = QZ_FAIL;
		CHECK_EQ(device_qatzip.submit(state, &units[0]), DEVICE_TAKEN);
		CHECK_EQ(device_qatzip.submit(state, &units[1]), DEVICE_TAKEN);
		CHECK(!device_qatzip.reap(state, true));
		CHECK(!device_qatzip.close(state));
		CHECK_EQ(library.teardowns, teardowns);
	}
}

/* Of QATzip's own software, which writes one for all pages. */
TEST(larger_members_are_declined)
{
	static uint8_t large[HEAD + 2 * UNIT_MEMBER_BYTES];
	void *state = start(UNIT_MEMBERS, DECODE, 0);
	unsigned calls = library.calls;

	put_member(large, large, 2 * UNIT_MEMBER_BYTES);
	units[0].source = (struct span){ large, sizeof(large) };
	CHECK_EQ(device_qatzip.submit(state, &units[0]), DEVICE_DECLINED);
	CHECK(!device_qatzip.reap(state, false));
	CHECK_EQ(library.calls, calls);
	end(state);
}

TEST(session_that_does_not_come_again)
{
	void *state = start(UNIT_MEMBERS, DECODE, 0);

	library.answer = QZ_DATA_ERROR;
	CHECK(run(state, &units[0]) == &units[0]);
	library.setup_answer = QZ_NOSW_LOW_MEM;
	CHECK_EQ(device_qatzip.submit(state, &units[0]), DEVICE_FAILED);
	CHECK_EQ(units[0].code, QZ_NOSW_LOW_MEM);
	CHECK(!device_qatzip.reap(state, true));
	CHECK(device_qatzip.close(state));
}

/* The empty block is added where there is none, and only there. */
TEST(blocks_end_with_an_empty_one)
{
	static const uint8_t empty[] = { 0, 0, 0, 0xff, 0xff };
	void *state = start(UNIT_BLOCKS, ENCODE, 1);

	CHECK(run(state, &units[0]) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_DONE);
	CHECK_EQ(library.last, 0);
	CHECK_EQ(units[0].produced, PAGE_BYTES + HEAD + sizeof(empty));
	CHECK(memcmp(rooms[0] + PAGE_BYTES + HEAD, empty, sizeof(empty)) == 0);

	memcpy(pages[1] + PAGE_BYTES - 4, empty + 1, 4);
	CHECK(run(state, &units[1]) == &units[1]);
	CHECK_EQ(units[1].produced, PAGE_BYTES + HEAD);

	units[2].room.length = PAGE_BYTES + HEAD + sizeof(empty) - 1;
	CHECK(run(state, &units[2]) == &units[2]);
	CHECK_EQ(units[2].answer, UNIT_FULL);
	units[3].room.length = sizeof(empty);
	CHECK(run(state, &units[3]) == &units[3]);
	CHECK_EQ(units[3].answer, UNIT_FULL);
	end(state);
}

TEST(pinned_memory_is_kept)
{
	uint8_t *first, *second;

	end(start(UNIT_MEMBERS, ENCODE, 1));
	first = device_qatzip.allocate(3 * PAGE_BYTES);
	second = device_qatzip.allocate(5 * PAGE_BYTES);
	CHECK(first && second);
	CHECK_EQ((uintptr_t)first % PAGE_BYTES, 0);
	CHECK_EQ((uintptr_t)second % PAGE_BYTES, 0);
	memset(first, 1, 3 * PAGE_BYTES);
	memset(second, 2, 5 * PAGE_BYTES);
	CHECK_EQ(library.mallocs, 2);
	device_qatzip.release(first, 3 * PAGE_BYTES);
	device_qatzip.release(second, 5 * PAGE_BYTES);
	CHECK(device_qatzip.allocate(5 * PAGE_BYTES) == second);
	CHECK(device_qatzip.allocate(3 * PAGE_BYTES) == first);
	CHECK_EQ(library.mallocs, 2);
	library.no_memory = true;
	CHECK(!device_qatzip.allocate(3 * PAGE_BYTES));
	device_qatzip.release(first, 3 * PAGE_BYTES);
	device_qatzip.release(second, 5 * PAGE_BYTES);
}

/* As many as channels and directions can have. */
TEST(all_pinned_memory_is_kept)
{
	enum { COUNT = 300 };
	void *memory[COUNT];
	uint32_t mallocs;

	end(start(UNIT_MEMBERS, ENCODE, 1));
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < COUNT; i++)
			CHECK(memory[i] = device_qatzip.allocate(PAGE_BYTES));
		if (round == 0)
			mallocs = library.mallocs;
		for (uint32_t i = 0; i < COUNT; i++)
			device_qatzip.release(memory[i], PAGE_BYTES);
	}
	CHECK_EQ(library.mallocs, mallocs);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		TEST_OF(probe_does_not_enter_without_a_device),
		TEST_OF(probe_says_why),
		TEST_OF(sessions_are_of_hardware_only),
		TEST_OF(results_in_order),
		TEST_OF(no_instance_is_busy),
		TEST_OF(encoder_errors),
		TEST_OF(decoder_believes_only_all_three),
		TEST_OF(unit_that_is_given_up_half_way_never_comes_back),
		TEST_OF(larger_members_are_declined),
		TEST_OF(session_that_does_not_come_again),
		TEST_OF(blocks_end_with_an_empty_one),
		TEST_OF(pinned_memory_is_kept),
		TEST_OF(all_pinned_memory_is_kept),
	};

	/* The probe looks for it.  Nobody else gets to see this /dev. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/dev", NULL, MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev", "tmpfs", 0, NULL) < 0 ||
	    mkdir("/dev/vfio", 0755) < 0) {
		perror("a /dev/vfio of its own");
		return 1;
	}
	return check_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
