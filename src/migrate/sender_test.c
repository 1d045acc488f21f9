/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender_test.c - a source and destinations that are silent, hasty, wrong or gone: never two
 * guests, and one sentence that says what happened. */
/* Before the header below, which uses it. */
#include "tests/check.h"

#include "migrate/peer_for_tests.h"

#define LARGE_BYTES (UINT64_C(2) << 20) /* more than all sockets hold unread */
#define SMALL_BYTES (UINT64_C(16) * PAGE_BYTES)

static const char failed[] = "the destination reported a failure (SHUT 1)";
static const char hasty[] = "the destination said it was done before the end";
static const char nonsense[] = "return path: message type 65535, 1 to 7 are known";

/* Runs it, and the guest ends up where expected; `text` is part of the error, NULL: none. */
static struct attempt try(struct attempt attempt, enum guest_whereabouts where,
			  const char *text)
{
	attempt_run(&attempt);
	if (!text && attempt.result < 0)
		CHECK_FAIL("failed: %s", attempt.err.text);
	if (text)
		CHECK_CONTAINS(attempt.err.text, text);
	if (attempt.report.guest != where)
		CHECK_FAIL("guest is at %d, expected %d: %s", attempt.report.guest, where,
			   attempt.err.text);
	CHECK_EQ(attempt.report.state, text ? MIGRATION_FAILED : MIGRATION_COMPLETED);
	attempt_clear(&attempt);
	return attempt;
}

/* ---- silence ---- */

TEST(a_peer_that_reads_nothing_is_given_up)
{
	struct attempt attempt = { .peer = { .reads_nothing = true },
				   .options = { .patience_ms = 200 },
				   .block_bytes = LARGE_BYTES };

	attempt =
		try(attempt, GUEST_AT_SOURCE, ": the other side took nothing for 200 ms");
	CHECK(strncmp(attempt.err.text, "channel ", 8) == 0);
	CHECK_EQ(attempt.report.paused_at_ns, 0);
}

TEST(a_peer_that_stops_reading_in_the_last_round_gives_the_guest_back)
{
	struct attempt attempt = {
		.peer = { .stage = AT_DRAIN, .act = { .stop_reading = true } },
		.options = { .downtime_limit_ms = 60000, .patience_ms = 500 },
		.block_bytes = LARGE_BYTES,
		.writes_per_harvest = 2000,
	};

	attempt =
		try(attempt, GUEST_AT_SOURCE, ": the other side took nothing for 500 ms");
	CHECK(attempt.report.paused_at_ns != 0);
	CHECK_EQ(attempt.report.rounds, 2);
}

TEST(no_guest_is_paused_for_a_peer_that_answers_no_ping)
{
	struct attempt attempt = { .peer = { .mute = true, .stage = NEVER },
				   .options = { .patience_ms = 1000 },
				   .block_bytes = SMALL_BYTES };

	attempt = try(attempt, GUEST_AT_SOURCE,
		      "main channel: no answer to PING 1 within 1 s");
	CHECK_EQ(attempt.report.paused_at_ns, 0);
	CHECK_EQ(attempt.report.rounds, 1);
}

TEST(a_pong_to_another_ping_is_no_answer)
{
	struct attempt attempt = { .peer = { .pong_offset = 41, .stage = NEVER },
				   .options = { .patience_ms = 1000 },
				   .block_bytes = SMALL_BYTES };

	attempt = try(attempt, GUEST_AT_SOURCE,
		      "main channel: no answer to PING 1 within 1 s");
	CHECK_EQ(attempt.report.paused_at_ns, 0);
}

TEST(no_guest_is_paused_for_a_peer_that_has_not_read_what_was_sent)
{
	struct attempt attempt = { .peer = { .stage = AT_PART,
					     .act = { .stop_reading = true } },
				   .options = { .answer_patience_ms = 1000 },
				   .block_bytes = SMALL_BYTES };

	attempt = try(attempt, GUEST_AT_SOURCE,
		      "main channel: no answer to PING 3 within 1 s");
	CHECK_EQ(attempt.report.paused_at_ns, 0);
}

TEST(a_guest_that_outgrows_the_limit_while_the_peer_is_asked_is_not_asked_for_ever)
{
	struct attempt attempt = {
		.peer = { .stage = AT_DESCRIPTION, .act = { .success = true } },
		.block_bytes = SMALL_BYTES * 4,
		.writes_while_asked = true,
	};

	attempt = try(attempt, GUEST_AT_DESTINATION, NULL);
	CHECK_EQ(attempt.peer.drains, 3);
}

TEST(a_peer_that_never_answers_leaves_the_guest_paused)
{
	struct attempt attempt = { .peer = { .stage = NEVER },
				   .options = { .answer_patience_ms = 1000 },
				   .block_bytes = SMALL_BYTES };

	try(attempt, GUEST_UNKNOWN,
	    "main channel: no answer from the destination within 1 s");
	attempt.peer =
		(struct peer){ .stage = AT_DEVICE, .act = { .stop_reading = true } };
	try(attempt, GUEST_UNKNOWN,
	    "main channel: no answer from the destination within 1 s");
}

/* ---- before the closing bytes ---- */

/* It does its act and reads no more: the round cannot end before the act is noticed. */
TEST(what_a_peer_does_before_the_end_leaves_the_guest_at_the_source)
{
	static const struct {
		struct act act;
		const char *text;
	} acts[] = {
		{ { .failure = true, .stop_reading = true }, failed },
		{ { .success = true, .stop_reading = true }, hasty },
		{ { .garbage = true, .stop_reading = true }, nonsense },
		{ { .leave = true }, "closed the connection" },
		{ { .failure = true, .leave = true }, failed },
		{ { .success = true, .leave = true }, hasty },
	};

	for (enum stage stage = AT_HEADER; stage <= AT_PART; stage++)
		for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
			struct attempt attempt = {
				.peer = { .stage = stage, .act = acts[i].act },
				.options = { .downtime_limit_ms = 60000 },
				.block_bytes = LARGE_BYTES,
				.writes_per_harvest = 2000,
			};

			try(attempt, GUEST_AT_SOURCE, acts[i].text);
		}
}

TEST(without_a_return_path_a_peer_that_leaves_early_is_noticed_too)
{
	for (enum stage stage = AT_HEADER; stage <= AT_PART; stage++) {
		struct attempt attempt = {
			.peer = { .stage = stage,
				  .act = { .leave = true },
				  .no_return_path = true },
			.options = { .downtime_limit_ms = 60000 },
			.block_bytes = LARGE_BYTES,
			.writes_per_harvest = 2000,
		};

		try(attempt, GUEST_AT_SOURCE, "closed the connection");
	}
}

TEST(a_refused_connection_is_named)
{
	static const char *const texts[] = { "nobody is there",
					     "channel 0: nobody is there",
					     "channel 1: nobody is there" };

	for (uint32_t i = 0; i < 3; i++) {
		struct attempt attempt = {
			.peer = { .stage = NEVER, .refuse = i + 1 },
			.block_bytes = SMALL_BYTES,
		};

		attempt = try(attempt, GUEST_AT_SOURCE, texts[i]);
		CHECK_STR(attempt.err.text, texts[i]);
		CHECK_EQ(attempt.report.rounds, 0);
	}
}

/* ---- between the last round and the closing bytes ---- */

/* The guest's state takes until the peer has done its act. */
static void save_until_acted(void *watcher, enum guest_moment moment)
{
	struct attempt *attempt = watcher;
	bool done;

	if (moment == GUEST_SAVES)
		CHECK_EQ(queue_take(attempt->peer.acted, &done, 20000), QUEUE_ITEM);
}

/* The same, and until somebody noticed. */
static void save_until_interrupted(void *watcher, enum guest_moment moment)
{
	struct attempt *attempt = watcher;

	for (unsigned i = 0;
	     moment == GUEST_SAVES && !interrupt_raised(attempt->peer.interrupt); i++) {
		CHECK(i < 20000);
		interrupt_sleep(NULL, NS_PER_MS);
	}
}

TEST(a_peer_that_leaves_before_the_closing_bytes_does_not_have_the_guest)
{
	struct attempt attempt = { .peer = { .stage = AT_END, .act = { .leave = true } },
				   .block_bytes = SMALL_BYTES,
				   .watch = save_until_acted };

	try(attempt, GUEST_AT_SOURCE, "closed the connection");
	attempt.peer.act.failure = true;
	try(attempt, GUEST_AT_SOURCE, failed);
	attempt.peer.act.leave = false;
	try(attempt, GUEST_AT_SOURCE, failed);
}

TEST(a_failure_before_the_closing_bytes_holds_them_back)
{
	struct attempt attempt = { .peer = { .stage = AT_END,
					     .act = { .garbage = true } },
				   .block_bytes = SMALL_BYTES,
				   .watch = save_until_interrupted };

	attempt = try(attempt, GUEST_AT_SOURCE, nonsense);
	CHECK_STR(attempt.err.text, nonsense);
	CHECK_EQ(attempt.peer.reached, AT_END);
}

/* ---- after them ---- */

TEST(from_the_closing_bytes_on_only_the_peers_word_counts)
{
	static const struct {
		struct act act;
		enum guest_whereabouts where;
		const char *text;
	} acts[] = {
		{ { .success = true }, GUEST_AT_DESTINATION, NULL },
		{ { .success = true, .leave = true }, GUEST_AT_DESTINATION, NULL },
		{ { .success = true, .garbage = true }, GUEST_AT_DESTINATION, NULL },
		{ { .failure = true }, GUEST_AT_SOURCE, failed },
		{ { .failure = true, .leave = true }, GUEST_AT_SOURCE, failed },
		{ { .leave = true }, GUEST_UNKNOWN, "main channel: " },
		{ { .garbage = true }, GUEST_UNKNOWN, nonsense },
		{ { .garbage = true, .leave = true }, GUEST_UNKNOWN, nonsense },
	};

	for (enum stage stage = AT_DEVICE; stage <= AT_DESCRIPTION; stage++)
		for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
			struct attempt attempt = {
				.peer = { .stage = stage, .act = acts[i].act },
				.block_bytes = SMALL_BYTES,
			};

			try(attempt, acts[i].where, acts[i].text);
		}
}

TEST(without_a_return_path_the_closed_connection_is_the_answer)
{
	struct attempt attempt = { .peer = { .stage = AT_DESCRIPTION,
					     .act = { .leave = true },
					     .no_return_path = true },
				   .options = { .answer_patience_ms = 200 },
				   .block_bytes = SMALL_BYTES };

	try(attempt, GUEST_AT_DESTINATION, NULL);
	attempt.peer.act = (struct act){ .stop_reading = true };
	try(attempt, GUEST_UNKNOWN,
	    "main channel: the other side sent nothing for 200 ms");
	/* Whatever it means, it is not the end. */
	attempt.peer.act = (struct act){ .garbage = true };
	try(attempt, GUEST_UNKNOWN,
	    "main channel: the destination answers, but no return path was opened");
}

/* ---- parting ---- */

/* Each page channel between two packets, and then a SYNC; or inside one. */
static void check_last_packets(const struct peer *peer)
{
	for (uint32_t i = 0; i < PEER_CHANNELS; i++) {
		size_t at = MULTIFD_INIT_BYTES, end = peer->kept_bytes[i];
		uint32_t flags = 0;

		CHECK(end < PEER_KEPT_BYTES);
		while (end >= MULTIFD_PACKET_BYTES && at <= end - MULTIFD_PACKET_BYTES) {
			const uint8_t *header = peer->kept[i] + at;

			CHECK_EQ(load_be32(header), MULTIFD_MAGIC);
			flags = load_be32(header + 8);
			at += MULTIFD_PACKET_BYTES;
			if (load_be32(header + 16) > 0)
				at += load_be32(header + 20);
		}
		if (at == end && at > MULTIFD_INIT_BYTES && !(flags & MULTIFD_FLAG_SYNC))
			CHECK_FAIL("channel %u ends after %zu bytes without SYNC", i, at);
	}
}

/* A QEMU hangs when a page channel ends between two packets before its SYNC. */
TEST(a_cancel_leaves_each_page_channel_with_a_sync_or_inside_a_packet)
{
	uint64_t seed = 20;

	printf("seed %" PRIu64 "\n", seed);
	for (unsigned i = 0; i < 30; i++) {
		struct attempt attempt = {
			.peer = { .stage = NEVER },
			/* Packets of one slice: the turn is waited for between them. */
			.options = { .method = CODEC_ZSTD, .max_bandwidth = 50000 },
			.block_bytes = 4 * LARGE_BYTES,
			.monotonous = true,
			.cancel_after_ns = 1 + check_random(&seed) % (40 * NS_PER_MS),
		};

		attempt_run(&attempt);
		CHECK(attempt.cancelled);
		CHECK_EQ(attempt.result, -1);
		CHECK_EQ(attempt.err.kind, GW_CANCELLED);
		CHECK_EQ(attempt.report.state, MIGRATION_CANCELLED);
		CHECK_EQ(attempt.report.guest, GUEST_AT_SOURCE);
		check_last_packets(&attempt.peer);
		attempt_clear(&attempt);
	}
}

TEST_MAIN(
	TEST_OF(a_peer_that_reads_nothing_is_given_up),
	TEST_OF(a_peer_that_stops_reading_in_the_last_round_gives_the_guest_back),
	TEST_OF(no_guest_is_paused_for_a_peer_that_answers_no_ping),
	TEST_OF(a_pong_to_another_ping_is_no_answer),
	TEST_OF(no_guest_is_paused_for_a_peer_that_has_not_read_what_was_sent),
	TEST_OF(a_guest_that_outgrows_the_limit_while_the_peer_is_asked_is_not_asked_for_ever),
	TEST_OF(a_peer_that_never_answers_leaves_the_guest_paused),
	TEST_OF(what_a_peer_does_before_the_end_leaves_the_guest_at_the_source),
	TEST_OF(without_a_return_path_a_peer_that_leaves_early_is_noticed_too),
	TEST_OF(a_refused_connection_is_named),
	TEST_OF(a_peer_that_leaves_before_the_closing_bytes_does_not_have_the_guest),
	TEST_OF(a_failure_before_the_closing_bytes_holds_them_back),
	TEST_OF(from_the_closing_bytes_on_only_the_peers_word_counts),
	TEST_OF(without_a_return_path_the_closed_connection_is_the_answer),
	TEST_OF(a_cancel_leaves_each_page_channel_with_a_sync_or_inside_a_packet))
