/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fault_test.c - each fault comes at its byte, whatever the pieces, and nowhere else. */
#include "channel/fault.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "tests/check.h"

enum { LENGTH = 64 };

/* What the faulty end and the sound one behind it look like. */
struct rig {
	struct channel *faulty;
	struct channel *sound;
	struct gw_error err;
	uint8_t sent[LENGTH];
	uint8_t got[LENGTH];
};

static struct rig make_rig(enum fault_kind kind, bool on_write, uint64_t at_byte,
			   const struct interrupt *interrupt)
{
	const struct fault_plan plan = { kind, on_write, at_byte };
	struct rig rig = { 0 };
	struct channel *ends[2];

	CHECK_OK(channel_pair(ends, interrupt, &rig.err), &rig.err);
	rig.sound = ends[1];
	rig.faulty = channel_fault(ends[0], &plan, interrupt, &rig.err);
	CHECK(rig.faulty);
	channel_set_read_patience(rig.faulty, 20);
	channel_set_write_patience(rig.faulty, 20);
	channel_set_read_patience(rig.sound, 20);
	for (size_t i = 0; i < LENGTH; i++)
		rig.sent[i] = (uint8_t)(i * 7 + 1);
	return rig;
}

static void free_rig(struct rig *rig)
{
	channel_free(rig->faulty);
	channel_free(rig->sound);
}

TEST(no_fault_passes_everything_both_ways)
{
	struct rig rig = make_rig(FAULT_NONE, true, 3, NULL);
	struct iovec from[3] = { { NULL, 0 }, { rig.sent, 10 }, { rig.sent + 10, 54 } };

	CHECK_OK(channel_write_full(rig.faulty, from, 3, &rig.err), &rig.err);
	CHECK_EQ(channel_read_all(rig.sound, rig.got, LENGTH, &rig.err), 1);
	CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
	CHECK_EQ(channel_wait(rig.faulty, 0, &rig.err), 0);
	CHECK_OK(channel_write_bytes(rig.sound, rig.sent, LENGTH, &rig.err), &rig.err);
	CHECK_EQ(channel_wait(rig.faulty, 0, &rig.err), 1);
	memset(rig.got, 0, LENGTH);
	CHECK_EQ(channel_read_all(rig.faulty, rig.got, LENGTH, &rig.err), 1);
	CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
	CHECK_EQ(channel_bytes_written(rig.faulty), LENGTH);
	CHECK_EQ(channel_bytes_read(rig.faulty), LENGTH);
	channel_finish(rig.faulty);
	CHECK_EQ(channel_read_some(rig.sound, rig.got, 1, &rig.err), 0);
	free_rig(&rig);
}

TEST(cut_on_write_comes_after_exactly_its_bytes)
{
	for (uint64_t at = 0; at < LENGTH; at++) {
		struct rig rig = make_rig(FAULT_CUT, true, at, NULL);

		CHECK_EQ(channel_write_bytes(rig.faulty, rig.sent, LENGTH, &rig.err), -1);
		CHECK_EQ(rig.err.kind, GW_PEER);
		CHECK_STR(rig.err.text, "the other side closed the connection");
		CHECK_EQ(channel_bytes_written(rig.faulty), at);
		if (at > 0)
			CHECK_EQ(channel_read_all(rig.sound, rig.got, at, &rig.err), 1);
		CHECK(memcmp(rig.sent, rig.got, at) == 0);
		CHECK_EQ(channel_read_some(rig.sound, rig.got, 1, &rig.err), 0);
		CHECK_EQ(channel_write_bytes(rig.sound, rig.sent, 1, &rig.err), -1);
		CHECK_EQ(rig.err.kind, GW_PEER);
		CHECK_EQ(channel_wait(rig.faulty, -1, &rig.err), 1);
		CHECK_EQ(channel_read_some(rig.faulty, rig.got, 1, &rig.err), 0);
		free_rig(&rig);
	}
}

TEST(cut_on_read_comes_after_exactly_its_bytes)
{
	for (uint64_t at = 0; at < LENGTH; at++) {
		struct rig rig = make_rig(FAULT_CUT, false, at, NULL);
		struct gw_error ignored = { 0 };
		char text[64];
		int status;

		/* Refused from the start when the cut is at 0. */
		status = channel_write_bytes(rig.sound, rig.sent, LENGTH, &ignored);
		CHECK_EQ(status, at == 0 ? -1 : 0);
		status = channel_read_all(rig.faulty, rig.got, LENGTH, &rig.err);
		CHECK_EQ(status, at == 0 ? 0 : -1);
		if (at > 0) {
			snprintf(text, sizeof(text),
				 "closed after %" PRIu64 " of %d bytes", at, LENGTH);
			CHECK_STR(rig.err.text, text);
		}
		CHECK(memcmp(rig.sent, rig.got, at) == 0);
		CHECK_EQ(channel_write_bytes(rig.faulty, rig.sent, 1, &rig.err), -1);
		CHECK_EQ(rig.err.kind, GW_PEER);
		free_rig(&rig);
	}
}

TEST(flip_on_write_changes_one_bit_of_its_byte)
{
	for (uint64_t at = 0; at < LENGTH; at++) {
		struct rig rig = make_rig(FAULT_FLIP, true, at, NULL);

		CHECK_OK(channel_write_bytes(rig.faulty, rig.sent, LENGTH, &rig.err),
			 &rig.err);
		CHECK_EQ(rig.sent[at], (uint8_t)(at * 7 + 1)); /* the caller's is whole */
		CHECK_EQ(channel_read_all(rig.sound, rig.got, LENGTH, &rig.err), 1);
		CHECK_EQ(__builtin_popcount(rig.sent[at] ^ rig.got[at]), 1);
		rig.got[at] = rig.sent[at];
		CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
		free_rig(&rig);
	}
}

TEST(flip_on_read_changes_one_bit_of_its_byte)
{
	for (uint64_t at = 0; at < LENGTH; at++) {
		struct rig rig = make_rig(FAULT_FLIP, false, at, NULL);

		CHECK_OK(channel_write_bytes(rig.sound, rig.sent, LENGTH, &rig.err),
			 &rig.err);
		CHECK_EQ(channel_read_all(rig.faulty, rig.got, LENGTH, &rig.err), 1);
		CHECK_EQ(__builtin_popcount(rig.sent[at] ^ rig.got[at]), 1);
		rig.got[at] = rig.sent[at];
		CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
		free_rig(&rig);
	}
}

TEST(stall_on_write_exhausts_patience_both_ways)
{
	struct rig rig = make_rig(FAULT_STALL, true, 5, NULL);

	CHECK_OK(channel_write_bytes(rig.sound, rig.sent, 1, &rig.err), &rig.err);
	CHECK_EQ(channel_write_bytes(rig.faulty, rig.sent, LENGTH, &rig.err), -1);
	CHECK_EQ(rig.err.kind, GW_PEER);
	CHECK_STR(rig.err.text, "the other side took nothing for 20 ms");
	CHECK_EQ(channel_bytes_written(rig.faulty), 5);
	CHECK_EQ(channel_wait(rig.faulty, 5, &rig.err), 0);
	CHECK_EQ(channel_read_some(rig.faulty, rig.got, 1, &rig.err), -1);
	CHECK_STR(rig.err.text, "the other side sent nothing for 20 ms");
	/* The other side is no better off: five bytes, then neither more nor the end. */
	channel_finish(rig.faulty);
	CHECK_EQ(channel_read_all(rig.sound, rig.got, 5, &rig.err), 1);
	CHECK_EQ(channel_read_some(rig.sound, rig.got, 1, &rig.err), -1);
	CHECK_STR(rig.err.text, "the other side sent nothing for 20 ms");
	free_rig(&rig);
}

TEST(stall_on_read_comes_after_exactly_its_bytes)
{
	for (uint64_t at = 0; at < 4; at++) {
		struct rig rig = make_rig(FAULT_STALL, false, at, NULL);

		CHECK_OK(channel_write_bytes(rig.sound, rig.sent, LENGTH, &rig.err),
			 &rig.err);
		CHECK_EQ(channel_read_all(rig.faulty, rig.got, LENGTH, &rig.err), -1);
		CHECK_EQ(rig.err.kind, GW_PEER);
		CHECK_EQ(channel_bytes_read(rig.faulty), at);
		free_rig(&rig);
	}
}

struct reader {
	pthread_t thread;
	struct channel *channel;
	ptrdiff_t status;
	struct gw_error err;
};

static void *read_byte(void *opaque)
{
	struct reader *reader = opaque;
	char byte;

	reader->status = channel_read_some(reader->channel, &byte, 1, &reader->err);
	return NULL;
}

TEST(a_stall_is_interrupted)
{
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct rig rig = make_rig(FAULT_STALL, false, 0, interrupt);
	struct reader reader = { .channel = rig.faulty };

	CHECK(interrupt);
	channel_set_read_patience(rig.faulty, -1);
	CHECK_EQ(pthread_create(&reader.thread, NULL, read_byte, &reader), 0);
	interrupt_sleep(NULL, 10 * NS_PER_MS);
	interrupt_raise(interrupt);
	pthread_join(reader.thread, NULL);
	CHECK_EQ(reader.status, -1);
	CHECK_EQ(reader.err.kind, GW_CANCELLED);
	free_rig(&rig);
}

TEST(a_stall_ends_when_it_is_cut)
{
	struct rig rig = make_rig(FAULT_STALL, false, 0, NULL);
	struct reader reader = { .channel = rig.faulty };

	channel_set_read_patience(rig.faulty, -1);
	CHECK_EQ(pthread_create(&reader.thread, NULL, read_byte, &reader), 0);
	interrupt_sleep(NULL, 10 * NS_PER_MS);
	channel_cut(rig.faulty);
	pthread_join(reader.thread, NULL);
	CHECK_EQ(reader.status, 0);
	CHECK_EQ(channel_read_some(rig.sound, rig.got, 1, &rig.err), 0);
	free_rig(&rig);
}

TEST(split_moves_one_byte_a_call_and_loses_none)
{
	for (int on_write = 0; on_write < 2; on_write++) {
		struct rig rig = make_rig(FAULT_SPLIT, on_write, 0, NULL);

		CHECK_OK(channel_write_bytes(rig.faulty, rig.sent, LENGTH, &rig.err),
			 &rig.err);
		CHECK_EQ(channel_read_all(rig.sound, rig.got, LENGTH, &rig.err), 1);
		CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
		CHECK_OK(channel_write_bytes(rig.sound, rig.sent, LENGTH, &rig.err),
			 &rig.err);
		memset(rig.got, 0, LENGTH);
		CHECK_EQ(channel_read_some(rig.faulty, rig.got, LENGTH, &rig.err), 1);
		CHECK_EQ(channel_read_all(rig.faulty, rig.got + 1, LENGTH - 1, &rig.err),
			 1);
		CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
		free_rig(&rig);
	}
}

TEST(refuse_fails_every_call_at_its_byte_in_its_direction)
{
	struct rig rig = make_rig(FAULT_REFUSE, true, 7, NULL);

	CHECK_OK(channel_write_bytes(rig.faulty, rig.sent, 7, &rig.err), &rig.err);
	for (int again = 0; again < 2; again++) {
		memset(&rig.err, 0, sizeof(rig.err));
		CHECK_EQ(channel_write_bytes(rig.faulty, rig.sent, 1, &rig.err), -1);
		CHECK_EQ(rig.err.kind, GW_SYSTEM);
		CHECK_EQ(rig.err.sys, EIO);
		CHECK_STR(rig.err.text, "write: input/output error");
	}
	CHECK_OK(channel_write_bytes(rig.sound, rig.sent, 1, &rig.err), &rig.err);
	CHECK_EQ(channel_read_all(rig.faulty, rig.got, 1, &rig.err), 1);
	free_rig(&rig);

	rig = make_rig(FAULT_REFUSE, false, 0, NULL);
	CHECK_EQ(channel_wait(rig.faulty, -1, &rig.err), 1);
	CHECK_EQ(channel_read_some(rig.faulty, rig.got, 1, &rig.err), -1);
	CHECK_EQ(rig.err.sys, EIO);
	CHECK_STR(rig.err.text, "read: input/output error");
	CHECK_OK(channel_write_bytes(rig.faulty, rig.sent, 1, &rig.err), &rig.err);
	free_rig(&rig);
}

TEST(a_fault_beyond_the_stream_never_comes)
{
	static const enum fault_kind kinds[] = { FAULT_CUT, FAULT_STALL, FAULT_FLIP,
						 FAULT_SPLIT, FAULT_REFUSE };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct rig rig = make_rig(kinds[i], true, LENGTH + 1, NULL);

		CHECK_OK(channel_write_bytes(rig.faulty, rig.sent, LENGTH, &rig.err),
			 &rig.err);
		channel_finish(rig.faulty);
		CHECK_EQ(channel_read_all(rig.sound, rig.got, LENGTH, &rig.err), 1);
		CHECK(memcmp(rig.sent, rig.got, LENGTH) == 0);
		CHECK_EQ(channel_read_some(rig.sound, rig.got, 1, &rig.err), 0);
		free_rig(&rig);
	}
}

TEST_MAIN(TEST_OF(no_fault_passes_everything_both_ways),
	  TEST_OF(cut_on_write_comes_after_exactly_its_bytes),
	  TEST_OF(cut_on_read_comes_after_exactly_its_bytes),
	  TEST_OF(flip_on_write_changes_one_bit_of_its_byte),
	  TEST_OF(flip_on_read_changes_one_bit_of_its_byte),
	  TEST_OF(stall_on_write_exhausts_patience_both_ways),
	  TEST_OF(stall_on_read_comes_after_exactly_its_bytes),
	  TEST_OF(a_stall_is_interrupted), TEST_OF(a_stall_ends_when_it_is_cut),
	  TEST_OF(split_moves_one_byte_a_call_and_loses_none),
	  TEST_OF(refuse_fails_every_call_at_its_byte_in_its_direction),
	  TEST_OF(a_fault_beyond_the_stream_never_comes))
