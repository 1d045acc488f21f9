/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_scan_fuzz.c - any bytes as a main channel that is relayed.
 *
 * With each choice of edits, whole and in pieces: both must give the same.  Where the pull parsers
 * can read the stream, they can read what became of it, and see nothing but the edits. */
#include <stdlib.h>

#include "relay/main_scan.h"
#include "wire/walk_for_tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

struct output {
	uint8_t *bytes;
	size_t used, room;
};

static int emit(void *state, const void *bytes, size_t length, struct gw_error *err)
{
	struct output *out = state;

	REQUIRE(length > 0 && length <= out->room - out->used);
	memcpy(out->bytes + out->used, bytes, length);
	out->used += length;
	return 0;
}

/* In pieces of at most `most` bytes, of many sizes; 0: in one. */
static struct output scan_all(struct main_scan *scan, const struct main_scan_edits *edits,
			      const uint8_t *data, size_t size, size_t most)
{
	/* An EOS of 8 bytes gets no more than 8 others. */
	struct output out = { .bytes = malloc(2 * size + 1), .room = 2 * size };
	struct gw_error err;

	REQUIRE(out.bytes);
	main_scan_init(scan, edits);
	for (size_t at = 0, turn = 0; at < size; turn++) {
		size_t piece = most > 0 ? 1 + turn * 7 % most : size;

		if (piece > size - at)
			piece = size - at;
		REQUIRE(main_scan_feed(scan, data + at, piece, emit, &out, &err) == 0);
		REQUIRE(scan->held_count <= MAIN_SCAN_HELD_MAX);
		at += piece;
	}
	REQUIRE(main_scan_end(scan, emit, &out, &err) == 0);
	REQUIRE(scan->held_count == 0);
	return out;
}

static void check_same(const struct main_seen *one, const struct main_seen *other)
{
	REQUIRE(one->header == other->header && one->configured == other->configured);
	REQUIRE(strcmp(one->machine, other->machine) == 0);
	REQUIRE(one->setup_ended == other->setup_ended);
	REQUIRE(one->setup_flushed == other->setup_flushed);
	REQUIRE(one->ram_ended == other->ram_ended);
	REQUIRE(one->ram_bytes == other->ram_bytes);
	REQUIRE(one->postcopy_advised == other->postcopy_advised);
	REQUIRE(one->postcopy_running == other->postcopy_running);
	REQUIRE(one->switchover_starts == other->switchover_starts);
	REQUIRE(one->flushes_added == other->flushes_added);
	REQUIRE(one->flushes == other->flushes && one->body_ends == other->body_ends);
	REQUIRE(one->lost == other->lost);
}

/* `walk` went over the input without complaint. */
static void check_walk(const struct walk *walk, const struct main_scan *scan,
		       const struct output *out)
{
	static struct walk after;
	struct cursor in = cursor_over(out->bytes, out->used);
	uint32_t added = scan->edits.flush_before_eos ? walk->body_count : 0;
	struct gw_error err;

	walk_init(&after);
	REQUIRE(walk_main(&after, &in, &err) == 0);
	REQUIRE(scan->seen.flushes_added == added);
	REQUIRE(scan->seen.flushes == walk->flush_count + added);
	REQUIRE(scan->seen.body_ends == walk->body_count);
	REQUIRE(after.flush_count == walk->flush_count + added);
	REQUIRE(after.switchover_start ==
		(walk->switchover_start && !scan->edits.drop_switchover_start));
	REQUIRE(walk->switchover_start == (scan->seen.switchover_starts > 0));
	REQUIRE(after.body_count == walk->body_count);
	REQUIRE(after.page_count == walk->page_count);
	REQUIRE(after.zero_count == walk->zero_count);
	REQUIRE(after.ping_sum == walk->ping_sum);
	REQUIRE(after.layout.block_count == walk->layout.block_count);
	REQUIRE(after.tail_offset <= out->used);
	REQUIRE(scan->seen.ram_ended == walk->ram_ended && scan->seen.lost);
	REQUIRE(strcmp(scan->seen.machine, walk->header.machine) == 0);
}

static void check_edits(const struct main_scan_edits *edits, const struct walk *walk,
			const uint8_t *data, size_t size)
{
	struct main_scan scan, again;
	struct output out = scan_all(&scan, edits, data, size, 0);
	struct output slow = scan_all(&again, edits, data, size, 1 + size % 61);

	REQUIRE(out.used == slow.used && memcmp(out.bytes, slow.bytes, out.used) == 0);
	check_same(&scan.seen, &again.seen);
	if (!edits->flush_before_eos && !edits->drop_switchover_start)
		REQUIRE(out.used == size && memcmp(out.bytes, data, size) == 0);
	if (walk)
		check_walk(walk, &scan, &out);
	free(out.bytes);
	free(slow.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct walk walk;
	struct cursor in = cursor_over(data, size);
	struct gw_error err;
	bool walked;

	if (size == 0)
		return 0;
	walk_init(&walk);
	walked = walk_main(&walk, &in, &err) == 0;
	for (unsigned choice = 0; choice < 4; choice++) {
		struct main_scan_edits edits = { choice & 1, choice & 2 };

		check_edits(&edits, walked ? &walk : NULL, data, size);
	}
	return 0;
}
