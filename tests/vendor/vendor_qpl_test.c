/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_qpl_test.c - pages between QPL's software path and ours, and our code for QPL. */
#include "codec/vendor_for_tests.h"
#include "tests/vendor/drive.h"

static uint8_t coded[PACKET_PAGES][2 * PAGE_BYTES];
static uint8_t decoded[PACKET_PAGES][PAGE_BYTES];
static struct unit units[PACKET_PAGES];

static const uint8_t *corpus_page(uint32_t index)
{
	return corpus_get()->bytes + index * PAGE_BYTES;
}

static void check_page(uint32_t index, const uint8_t *page, const char *who)
{
	if (memcmp(page, corpus_page(index), PAGE_BYTES) != 0)
		CHECK_FAIL("page %u: %s makes another of it", index, who);
}

/* ---- the format ---- */

/* Coders' streams are read by QPL, which is stricter than other decoders about distances. */
TEST(qpl_decodes_all_coders)
{
	/* libdeflate makes what an IAA does not take. */
	static const struct coder *const encoders[] = { &coder_isal, &coder_zlib };

	for (size_t c = 0; c < sizeof(encoders) / sizeof(encoders[0]); c++) {
		void *state = coder_open(encoders[c], UNIT_DEFLATE, ENCODE, 0);
		uint32_t raw = 0;

		for (uint32_t i = 0; i < corpus_get()->pages; i++) {
			struct unit unit = {
				.source = { corpus_page(i), PAGE_BYTES },
				.room = { coded[0], PAGE_BYTES - 1 },
			};
			struct room back = { decoded[0], PAGE_BYTES };
			size_t produced, left;
			int answer;

			if (encoders[c]->run(state, &unit) == UNIT_FULL) {
				raw++;
				continue;
			}
			CHECK_EQ(unit.answer, UNIT_DONE);
			answer = qpl_decompress((struct span){ coded[0], unit.produced },
						back, &produced, &left);
			if (answer != 0 || produced != PAGE_BYTES || left != 0)
				CHECK_FAIL("page %u by %s: qpl answers %d, %zu bytes", i,
					   encoders[c]->name, answer, produced);
			check_page(i, decoded[0], encoders[c]->name);
		}
		encoders[c]->close(state);
		/* The packet of noise, and hardly anything else. */
		CHECK(raw >= PACKET_PAGES);
		CHECK(raw <= PACKET_PAGES + corpus_get()->pages / 8);
	}
}

static void check_coders_decode(enum qpl_huffman huffman)
{
	for (size_t c = 0; c < CODERS; c++) {
		void *state = coder_open(coders[c], UNIT_DEFLATE, DECODE, 0);

		for (uint32_t i = 0; i < corpus_get()->pages; i++) {
			size_t length =
				qpl_compress((struct span){ corpus_page(i), PAGE_BYTES },
					     (struct room){ coded[0], PAGE_BYTES - 1 },
					     huffman);
			struct unit unit = {
				.source = { coded[0], length },
				.room = { decoded[0], PAGE_BYTES },
			};

			if (length == 0)
				continue;
			if (coders[c]->run(state, &unit) != UNIT_DONE)
				CHECK_FAIL("page %u by QPL: %s says %s", i,
					   coders[c]->name, unit.why);
			check_page(i, decoded[0], coders[c]->name);
		}
		coders[c]->close(state);
	}
}

TEST(coders_decode_qpl_fixed)
{
	check_coders_decode(QPL_FIXED);
}

TEST(coders_decode_qpl_dynamic)
{
	check_coders_decode(QPL_DYNAMIC);
}

/* ---- the device's code ---- */

static void plan_encode(uint32_t first, size_t room)
{
	for (uint32_t i = 0; i < PACKET_PAGES; i++)
		units[i] = (struct unit){
			.source = { corpus_page(first + i), PAGE_BYTES },
			.room = { coded[i], room },
		};
}

static void plan_decode(void)
{
	for (uint32_t i = 0; i < PACKET_PAGES; i++)
		units[i] = (struct unit){
			.source = { coded[i], units[i].produced },
			.room = { decoded[i], PAGE_BYTES },
		};
}

static void there_and_back(uint32_t jobs)
{
	void *encoder = device_open(&device_qpl, UNIT_DEFLATE, ENCODE, 1, jobs);
	void *decoder = device_open(&device_qpl, UNIT_DEFLATE, DECODE, 1, jobs);

	for (uint32_t first = 0; first < corpus_get()->pages; first += PACKET_PAGES) {
		/* Room for what does not shrink, too. */
		plan_encode(first, sizeof(coded[0]));
		drive(&device_qpl, encoder, jobs, units, PACKET_PAGES);
		for (uint32_t i = 0; i < PACKET_PAGES; i++)
			CHECK_EQ(units[i].answer, UNIT_DONE);
		plan_decode();
		drive(&device_qpl, decoder, jobs, units, PACKET_PAGES);
		for (uint32_t i = 0; i < PACKET_PAGES; i++) {
			CHECK_EQ(units[i].answer, UNIT_DONE);
			check_page(first + i, decoded[i], "device_qpl");
		}
	}
	CHECK(device_qpl.close(encoder));
	CHECK(device_qpl.close(decoder));
}

TEST(device_one_job)
{
	there_and_back(1);
}

TEST(device_many_jobs)
{
	there_and_back(16);
	there_and_back(ACCELERATOR_JOBS_MAX);
}

/* Noise needs more than a page. */
TEST(device_says_full)
{
	void *encoder = device_open(&device_qpl, UNIT_DEFLATE, ENCODE, 1, 16);

	plan_encode(PACKET_PAGES, PAGE_BYTES - 1);
	drive(&device_qpl, encoder, 16, units, PACKET_PAGES);
	for (uint32_t i = 0; i < PACKET_PAGES; i++)
		CHECK_EQ(units[i].answer, UNIT_FULL);
	/* The same jobs go on. */
	plan_encode(2 * PACKET_PAGES, PAGE_BYTES - 1);
	drive(&device_qpl, encoder, 16, units, PACKET_PAGES);
	CHECK_EQ(units[1].answer, UNIT_DONE);
	CHECK(device_qpl.close(encoder));
}

/* Flipped bits, streams cut and streams with more behind them: never "done" with another length,
 * never out of the room, and the jobs are good for what comes next. */
TEST(device_decodes_damaged_pages)
{
	uint64_t random = 4;
	void *encoder = device_open(&device_qpl, UNIT_DEFLATE, ENCODE, 1, 16);
	void *decoder = device_open(&device_qpl, UNIT_DEFLATE, DECODE, 1, 16);
	uint32_t failed = 0;

	plan_encode(2 * PACKET_PAGES, sizeof(coded[0]));
	drive(&device_qpl, encoder, 16, units, PACKET_PAGES);
	plan_decode();
	for (uint32_t i = 0; i < PACKET_PAGES; i++) {
		struct span *source = &units[i].source;

		if (i % 4 == 0)
			coded[i][check_random(&random) % source->length] ^= 0x10;
		else if (i % 4 == 1)
			source->length -=
				1 + check_random(&random) % (source->length / 2);
		else if (i % 4 == 2)
			source->length += 9;
	}
	drive(&device_qpl, decoder, 16, units, PACKET_PAGES);
	for (uint32_t i = 0; i < PACKET_PAGES; i++) {
		if (units[i].answer == UNIT_DONE) {
			CHECK_EQ(units[i].produced, PAGE_BYTES);
			continue;
		}
		CHECK_EQ(units[i].answer, UNIT_FAILED);
		CHECK(units[i].why);
		CHECK(i % 4 != 3);
		failed++;
	}
	/* All with bytes behind them, most of the others. */
	CHECK(failed >= PACKET_PAGES / 2);

	plan_encode(2 * PACKET_PAGES, sizeof(coded[0]));
	drive(&device_qpl, encoder, 16, units, PACKET_PAGES);
	plan_decode();
	drive(&device_qpl, decoder, 16, units, PACKET_PAGES);
	for (uint32_t i = 0; i < PACKET_PAGES; i++) {
		CHECK_EQ(units[i].answer, UNIT_DONE);
		check_page(2 * PACKET_PAGES + i, decoded[i], "device_qpl");
	}
	CHECK(device_qpl.close(encoder));
	CHECK(device_qpl.close(decoder));
}

/* What was not reaped is let go. */
TEST(device_closes_with_units_inside)
{
	void *encoder = device_open(&device_qpl, UNIT_DEFLATE, ENCODE, 1, 16);

	plan_encode(0, sizeof(coded[0]));
	for (uint32_t i = 0; i < 16; i++)
		CHECK_EQ(device_qpl.submit(encoder, &units[i]), DEVICE_TAKEN);
	CHECK(device_qpl.close(encoder));
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		TEST_OF(qpl_decodes_all_coders),
		TEST_OF(coders_decode_qpl_fixed),
		TEST_OF(coders_decode_qpl_dynamic),
		TEST_OF(device_one_job),
		TEST_OF(device_many_jobs),
		TEST_OF(device_says_full),
		TEST_OF(device_decodes_damaged_pages),
		TEST_OF(device_closes_with_units_inside),
	};

	device_qpl_compute_in_software();
	return check_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
