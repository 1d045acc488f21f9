/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proof_test.c - one wrong byte, page or name is noticed. */
#include "guest/proof.h"

#include "guest/stamp.h"
#include "tests/check.h"

/* More than two pieces of the checksum, the last one short. */
#define BIG_BYTES ((20u << 20) + PAGE_BYTES)
#define SMALL_BYTES (16 * PAGE_BYTES)

static struct ram ram;
static struct gw_error err;

static void ram_open(void)
{
	uint64_t random = 9;

	ram_init(&ram);
	CHECK_OK(ram_allocate(&ram, "big", BIG_BYTES, &err), &err);
	CHECK_OK(ram_allocate(&ram, "small", SMALL_BYTES, &err), &err);
	for (size_t at = 0; at < BIG_BYTES; at += 512)
		ram.blocks[0]->host[at] = (uint8_t)check_random(&random);
	memset(ram.blocks[1]->host, 's', SMALL_BYTES);
}

static void checksum(const struct ram *of, uint32_t threads,
		     char text[PROOF_CHECKSUM_CHARS])
{
	memset(text, 'x', PROOF_CHECKSUM_CHARS);
	CHECK_OK(proof_checksum(of, threads, text, &err), &err);
	CHECK_EQ(strlen(text), 32);
	CHECK_EQ(strspn(text, "0123456789abcdef"), 32);
}

TEST(any_changed_byte_changes_the_checksum)
{
	static const size_t places[] = {
		0, 4095, (8u << 20) - 1, 8u << 20, (16u << 20) + 7, BIG_BYTES - 1
	};
	char before[PROOF_CHECKSUM_CHARS], after[PROOF_CHECKSUM_CHARS];

	ram_open();
	checksum(&ram, 1, before);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		ram.blocks[0]->host[places[i]] ^= 1;
		checksum(&ram, 2, after);
		CHECK(strcmp(before, after) != 0);
		ram.blocks[0]->host[places[i]] ^= 1;
	}
	ram.blocks[1]->host[SMALL_BYTES - 1] ^= 0x80;
	checksum(&ram, 2, after);
	CHECK(strcmp(before, after) != 0);
	ram.blocks[1]->host[SMALL_BYTES - 1] ^= 0x80;
	checksum(&ram, 2, after);
	CHECK_STR(after, before);
	ram_deinit(&ram);
}

TEST(checksum_depends_on_neither_threads_nor_order)
{
	char one[PROOF_CHECKSUM_CHARS], other[PROOF_CHECKSUM_CHARS];
	struct ram reversed;

	ram_open();
	checksum(&ram, 1, one);
	for (uint32_t threads = 2; threads <= PROOF_THREADS_MAX; threads *= 2) {
		checksum(&ram, threads, other);
		CHECK_STR(other, one);
	}
	ram_init(&reversed);
	CHECK_OK(ram_add(&reversed, "small", ram.blocks[1]->host, SMALL_BYTES, &err),
		 &err);
	CHECK_OK(ram_add(&reversed, "big", ram.blocks[0]->host, BIG_BYTES, &err), &err);
	checksum(&reversed, 3, other);
	CHECK_STR(other, one);
	ram_deinit(&reversed);
	ram_deinit(&ram);
}

TEST(checksum_knows_names_and_lengths)
{
	char one[PROOF_CHECKSUM_CHARS], other[PROOF_CHECKSUM_CHARS];
	struct ram like;

	ram_open();
	checksum(&ram, 1, one);
	ram_init(&like);
	CHECK_OK(ram_add(&like, "big", ram.blocks[0]->host, BIG_BYTES, &err), &err);
	CHECK_OK(ram_add(&like, "smale", ram.blocks[1]->host, SMALL_BYTES, &err), &err);
	checksum(&like, 1, other);
	CHECK(strcmp(one, other) != 0);
	ram_deinit(&like);
	ram_init(&like);
	CHECK_OK(ram_add(&like, "big", ram.blocks[0]->host, BIG_BYTES - PAGE_BYTES, &err),
		 &err);
	CHECK_OK(ram_add(&like, "small", ram.blocks[1]->host, SMALL_BYTES, &err), &err);
	checksum(&like, 1, other);
	CHECK(strcmp(one, other) != 0);
	ram_deinit(&like);
	ram_deinit(&ram);
}

/* A guest whose working set is pages 2 to 9 of "small", three of them stamped. */
static struct process_state guest_open(void)
{
	struct process_state state = {
		.block = "small",
		.heartbeat_offset = PAGE_BYTES,
		.working_set_offset = 2 * PAGE_BYTES,
		.working_set_bytes = 8 * PAGE_BYTES,
		.writer_count = 1,
	};
	uint8_t *host;

	ram_open();
	CHECK_OK(process_state_init(&state, &ram, 1, &err), &err);
	host = ram.blocks[1]->host;
	state.heartbeat = 5;
	state.sequence = 3;
	heartbeat_write(host + PAGE_BYTES, 5);
	stamp_page(host + 2 * PAGE_BYTES, 2 * PAGE_BYTES, 1);
	stamp_page(host + 5 * PAGE_BYTES, 5 * PAGE_BYTES, 2);
	stamp_page(host + 9 * PAGE_BYTES, 9 * PAGE_BYTES, 3);
	return state;
}

TEST(sound_guest_is_believed)
{
	struct process_state state = guest_open();
	uint64_t stamped = 0;

	CHECK_OK(proof_process(&ram, &state, &stamped, &err), &err);
	CHECK_EQ(stamped, 3);
	CHECK_OK(proof_process(&ram, &state, NULL, &err), &err);
	/* Outside the working set anything may lie. */
	memcpy(ram.blocks[1]->host + 10 * PAGE_BYTES,
	       ram.blocks[1]->host + 9 * PAGE_BYTES, PAGE_BYTES);
	CHECK_OK(proof_process(&ram, &state, NULL, &err), &err);
	ram_deinit(&ram);
}

TEST(page_at_another_place_is_noticed)
{
	struct process_state state = guest_open();
	uint8_t *host = ram.blocks[1]->host;

	memcpy(host + 4 * PAGE_BYTES, host + 5 * PAGE_BYTES, PAGE_BYTES);
	CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "block small: page at 16384: its stamp names address 20480");
	ram_deinit(&ram);
}

TEST(sequence_from_the_future_is_noticed)
{
	struct process_state state = guest_open();

	state.sequence = 2;
	CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text,
		       "page at 36864: its stamp has sequence 3, but the machine was "
		       "at 2");
	ram_deinit(&ram);
}

TEST(torn_page_is_noticed_at_each_word)
{
	static const uint32_t words[] = { 1024, 2048, 3072, 4088 };
	struct process_state state = guest_open();
	uint8_t newer[PAGE_BYTES] __attribute__((aligned(8)));
	uint8_t *page = ram.blocks[1]->host + 5 * PAGE_BYTES;

	stamp_page(newer, 5 * PAGE_BYTES, 3);
	for (size_t i = 0; i < 4; i++) {
		uint8_t kept[8];

		memcpy(kept, page + words[i], 8);
		memcpy(page + words[i], newer + words[i], 8);
		CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
		CHECK_CONTAINS(err.text, "page at 20480: torn");
		memcpy(page + words[i], kept, 8);
	}
	memcpy(page + 16, newer + 16, 8);
	CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
	CHECK_CONTAINS(err.text,
		       "check of its stamp (address 20480, sequence 3) is wrong");
	ram_deinit(&ram);
}

TEST(heartbeat_that_went_back_is_noticed)
{
	struct process_state state = guest_open();

	heartbeat_write(ram.blocks[1]->host + PAGE_BYTES, 4);
	CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "heartbeat in RAM is 4, in the state 5");
	memset(ram.blocks[1]->host + PAGE_BYTES, 0, PAGE_BYTES);
	CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
	CHECK_STR(err.text, "heartbeat in RAM is 0, in the state 5");
	ram_deinit(&ram);
}

TEST(state_of_another_ram_is_refused)
{
	struct process_state state = guest_open();

	strcpy(state.block, "tiny");
	CHECK_EQ(proof_process(&ram, &state, NULL, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "block \"tiny\"");
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(any_changed_byte_changes_the_checksum),
	  TEST_OF(checksum_depends_on_neither_threads_nor_order),
	  TEST_OF(checksum_knows_names_and_lengths), TEST_OF(sound_guest_is_believed),
	  TEST_OF(page_at_another_place_is_noticed),
	  TEST_OF(sequence_from_the_future_is_noticed),
	  TEST_OF(torn_page_is_noticed_at_each_word),
	  TEST_OF(heartbeat_that_went_back_is_noticed),
	  TEST_OF(state_of_another_ram_is_refused))
