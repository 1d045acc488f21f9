/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scan_for_tests.h - main channels made by hand, and main_scan over them in pieces.
 *
 * Behind tests/golden/golden.h, which only tests may include. */
#ifndef RELAY_SCAN_FOR_TESTS_H
#define RELAY_SCAN_FOR_TESTS_H

#include "relay/main_scan.h"
#include "wire/walk_for_tests.h"

#define OUT_BYTES_MAX (2 * GOLDEN_BYTES_MAX)

/* What goes in, what has to come out, and what comes out. */
static uint8_t in_bytes[GOLDEN_BYTES_MAX], want_bytes[OUT_BYTES_MAX],
	out_bytes[OUT_BYTES_MAX];
static struct writer in, want, out;
static struct main_scan scan;
static struct gw_error err;

static const struct main_scan_edits none, flush = { .flush_before_eos = true },
					  drop = { .drop_switchover_start = true },
					  both = { true, true };

static inline int emit(void *state, const void *bytes, size_t length,
		       struct gw_error *error)
{
	struct writer *into = state;

	CHECK(length > 0);
	writer_bytes(into, bytes, length);
	return 0;
}

/* One piece, exactly as large as its memory. */
static inline void feed(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length);

	CHECK(copy);
	memcpy(copy, bytes, length);
	CHECK_OK(main_scan_feed(&scan, copy, length, emit, &out, &err), &err);
	free(copy);
	CHECK(scan.held_count <= MAIN_SCAN_HELD_MAX);
}

/* Pieces of 1 to `most` bytes by chance; most 0: all at once. */
static inline void scan_pieces(const struct main_scan_edits *edits, size_t most,
			       uint64_t seed)
{
	main_scan_init(&scan, edits);
	out = writer_over(out_bytes, sizeof(out_bytes));
	for (size_t at = 0; at < in.used;) {
		size_t piece = most > 0 ? 1 + check_random(&seed) % most : in.used;

		if (piece > in.used - at)
			piece = in.used - at;
		feed(in.start + at, piece);
		at += piece;
	}
	CHECK_OK(main_scan_end(&scan, emit, &out, &err), &err);
	CHECK(!out.overrun);
}

static inline void check_bytes(const char *what, uint64_t seed)
{
	size_t same = 0;

	while (same < out.used && same < want.used && out_bytes[same] == want_bytes[same])
		same++;
	if (same < out.used || same < want.used)
		CHECK_FAIL("%s, seed %" PRIu64
			   ": %zu bytes, expected %zu, alike up to %zu",
			   what, seed, out.used, want.used, same);
}

/* Whatever the cuts, what was wanted comes out and the same is seen. */
static inline void check_scan(const struct main_scan_edits *edits)
{
	struct main_seen seen;

	CHECK(!in.overrun && !want.overrun);
	scan_pieces(edits, 0, 0);
	check_bytes("whole", 0);
	seen = scan.seen;
	for (uint64_t seed = 0; seed < 24; seed++) {
		static const size_t most[] = { 1, 2, 9, 40, 700, 9000 };

		scan_pieces(edits, most[seed % 6], seed);
		check_bytes("in pieces", seed);
		CHECK_STR(scan.seen.machine, seen.machine);
		CHECK_EQ(scan.seen.ram_bytes, seen.ram_bytes);
		CHECK_EQ(scan.seen.switchover_starts, seen.switchover_starts);
		CHECK_EQ(scan.seen.flushes_added, seen.flushes_added);
		CHECK_EQ(scan.seen.flushes, seen.flushes);
		CHECK_EQ(scan.seen.body_ends, seen.body_ends);
		CHECK_EQ(scan.seen.setup_flushed, seen.setup_flushed);
		CHECK_EQ(scan.seen.ram_ended, seen.ram_ended);
		CHECK_EQ(scan.seen.lost, seen.lost);
	}
}

/* ---- streams made by hand: what goes in is also wanted, but for the edits ---- */

static inline void fresh(void)
{
	in = writer_over(in_bytes, sizeof(in_bytes));
	want = writer_over(want_bytes, sizeof(want_bytes));
}

static inline void u8(uint8_t value)
{
	writer_u8(&in, value);
	writer_u8(&want, value);
}

static inline void be16(uint16_t value)
{
	writer_be16(&in, value);
	writer_be16(&want, value);
}

static inline void be32(uint32_t value)
{
	writer_be32(&in, value);
	writer_be32(&want, value);
}

static inline void be64(uint64_t value)
{
	writer_be64(&in, value);
	writer_be64(&want, value);
}

static inline void str8(const char *text)
{
	writer_str8(&in, text);
	writer_str8(&want, text);
}

static inline void header(void)
{
	fresh();
	stream_write_header(&in, "pc");
	stream_write_header(&want, "pc");
}

static inline void command(enum stream_command number, uint16_t length)
{
	u8(RECORD_COMMAND);
	be16((uint16_t)number);
	be16(length);
}

static inline void advise(void)
{
	command(COMMAND_POSTCOPY_ADVISE, 16);
	be64(0x201000);
	be64(PAGE_BYTES);
}

static inline void start_as(uint32_t id, const char *name, uint32_t instance,
			    uint32_t version)
{
	u8(RECORD_SECTION_START);
	be32(id);
	str8(name);
	be32(instance);
	be32(version);
}

static inline void start(void)
{
	start_as(2, "ram", 0, 4);
}

static inline void again(enum record_type type)
{
	u8((uint8_t)type);
	be32(2);
}

static inline void block(const char *name, uint64_t length_bytes)
{
	str8(name);
	be64(length_bytes);
}

static inline void footer(void)
{
	u8(RECORD_FOOTER);
	be32(2);
}

/* The end of a body, where a FLUSH is wanted or not. */
static inline void eos(bool flushed)
{
	if (flushed)
		ram_section_write_flush(&want);
	be64(0x10);
	footer();
}

static inline void setup(bool flushed)
{
	start();
	be64(0x3000 | 0x4);
	block("a", 0x1000);
	block("b", 0x2000);
	eos(flushed);
}

/* Bytes that look like all that could be edited, but are contents. */
static inline void bait(size_t length)
{
	static const uint8_t looks[] = { 0, 0, 0, 0,   0, 0, 0, 0x10, 0x7e, 0, 0, 0,
					 2, 8, 0, 0xb, 0, 0, 2, 0,    0,    0, 2 };

	for (size_t i = 0; i < length; i++)
		u8(looks[i % sizeof(looks)]);
}

static inline void subsection(const char *name, uint32_t version)
{
	u8(RECORD_SUBSECTION);
	str8(name);
	be32(version);
}

#endif
