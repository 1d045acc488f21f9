/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* payload_golden_test.c - every coder decodes what QPL and QATzip have made. */
#include "codec/coder.h"
#include "tests/check.h"
#include "tests/golden/golden.h"
#include "tests/golden/pages.h"

static const struct coder *const coders[] = { &coder_isal, &coder_libdeflate,
					      &coder_zlib };
#define CODERS (sizeof(coders) / sizeof(coders[0]))

static uint8_t payload[GOLDEN_BYTES_MAX];
static uint8_t decoded[GOLDEN_PAGES * PAGE_BYTES];

/* Whether `decoded` holds these pages; clears it for the next. */
static void check_pages(const char *name, const char *coder, uint32_t first,
			uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t expected[PAGE_BYTES];

		golden_page(first + i, expected);
		if (memcmp(decoded + i * PAGE_BYTES, expected, PAGE_BYTES) != 0)
			CHECK_FAIL("%s by %s: page %u is another", name, coder,
				   first + i);
	}
	memset(decoded, 0xa5, sizeof(decoded));
}

static void decode_unit(const struct coder *coder, void *state, const char *name,
			struct span source, struct room room)
{
	struct unit unit = { .source = source, .room = room };

	if (coder->run(state, &unit) != UNIT_DONE)
		CHECK_FAIL("%s by %s: %s (%d)", name, coder->name, unit.why, unit.code);
	CHECK_EQ(unit.produced, room.length);
}

/* be32 lengths, then a stream for each page, or the page. */
static void decode_qpl(const struct coder *coder, void *state, const char *name,
		       size_t length)
{
	size_t at = GOLDEN_QPL_PAGES * sizeof(uint32_t);
	uint32_t raw = 0;

	for (uint32_t i = 0; i < GOLDEN_QPL_PAGES; i++) {
		uint8_t *page = decoded + i * PAGE_BYTES;
		uint32_t bytes = load_be32(payload + i * sizeof(uint32_t));

		CHECK(bytes > 0 && bytes <= PAGE_BYTES && bytes <= length - at);
		if (bytes == PAGE_BYTES) {
			memcpy(page, payload + at, PAGE_BYTES);
			raw++;
		} else {
			decode_unit(coder, state, name,
				    (struct span){ payload + at, bytes },
				    (struct room){ page, PAGE_BYTES });
		}
		at += bytes;
	}
	CHECK_EQ(at, length);
	CHECK_EQ(raw, 1);
}

static void check_qpl(const char *name)
{
	size_t length = golden_load(name, payload);

	for (size_t i = 0; i < CODERS; i++) {
		struct gw_error err;
		void *state = coders[i]->open(UNIT_DEFLATE, DECODE, 0, &err);

		CHECK_OK(state ? 0 : -1, &err);
		decode_qpl(coders[i], state, name, length);
		coders[i]->close(state);
		check_pages(name, coders[i]->name, 0, GOLDEN_QPL_PAGES);
	}
}

static void check_qatzip(const char *name, uint32_t first, uint32_t count)
{
	size_t length = golden_load(name, payload);

	for (size_t i = 0; i < CODERS; i++) {
		struct gw_error err;
		void *state = coders[i]->open(UNIT_MEMBERS, DECODE, 0, &err);

		CHECK_OK(state ? 0 : -1, &err);
		decode_unit(coders[i], state, name, (struct span){ payload, length },
			    (struct room){ decoded, count * PAGE_BYTES });
		coders[i]->close(state);
		check_pages(name, coders[i]->name, first, count);
	}
}

TEST(qpl_fixed)
{
	check_qpl("qpl-1.9.0-fixed");
}

TEST(qpl_dynamic)
{
	check_qpl("qpl-1.9.0-dynamic");
}

TEST(qatzip_packet)
{
	check_qatzip("qatzip-2.0.0-packet", 0, GOLDEN_PAGES);
}

TEST(qatzip_page)
{
	check_qatzip("qatzip-2.0.0-page", 1, 1);
}

TEST_MAIN(TEST_OF(qpl_fixed), TEST_OF(qpl_dynamic), TEST_OF(qatzip_packet),
	  TEST_OF(qatzip_page))
