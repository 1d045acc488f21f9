/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_state_test.c - the state that travels: there and back, and nothing else. */
#include "guest/process_state.h"

#include <jansson.h>

#include "tests/check.h"
#include "wire/vmdesc.h"

#define BLOCK_PAGES 256u

/* Where things lie in the encoding. */
enum {
	AT_VERSION = 0,
	AT_BLOCK = 4,
	AT_HEARTBEAT_OFFSET = 260,
	AT_WORKING_SET_OFFSET = 268,
	AT_WORKING_SET_BYTES = 276,
	AT_RATE = 284,
	AT_PATTERN = 292,
	AT_HEARTBEAT = 296,
	AT_SEQUENCE = 312,
	AT_WRITER_COUNT = 320,
	AT_POSITIONS = 324,
};

static uint8_t memory[BLOCK_PAGES * PAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t small[4 * PAGE_BYTES] __attribute__((aligned(4096)));
static struct ram ram;
static struct gw_error err;

static void ram_open(void)
{
	ram_init(&ram);
	CHECK_OK(ram_add(&ram, "pc.ram", memory, sizeof(memory), &err), &err);
	CHECK_OK(ram_add(&ram, "small", small, sizeof(small), &err), &err);
}

/* The heartbeat in page 0, four writers on the 250 pages at the end. */
static struct process_state usual_state(void)
{
	struct process_state state = {
		.block = "pc.ram",
		.heartbeat_offset = 0,
		.working_set_offset = 6 * PAGE_BYTES,
		.working_set_bytes = 250 * PAGE_BYTES,
		.dirty_rate_bytes = 100u << 20,
		.pattern = WRITE_RANDOM,
		.writer_count = 4,
	};

	CHECK_OK(process_state_init(&state, &ram, 1, &err), &err);
	return state;
}

static size_t encode(const struct process_state *state,
		     uint8_t bytes[PROCESS_STATE_BYTES_MAX])
{
	struct writer out = writer_over(bytes, PROCESS_STATE_BYTES_MAX);

	process_state_encode(state, &out);
	CHECK(!out.overrun);
	return out.used;
}

static int decode(const uint8_t *bytes, size_t length, struct process_state *state)
{
	struct cursor in = cursor_over(bytes, length);
	int done = process_state_decode(&in, &ram, state, &err);

	if (done == 0)
		CHECK(cursor_at_end(&in));
	return done;
}

static void check_same(const struct process_state *a, const struct process_state *b)
{
	CHECK_STR(a->block, b->block);
	CHECK_EQ(a->heartbeat_offset, b->heartbeat_offset);
	CHECK_EQ(a->working_set_offset, b->working_set_offset);
	CHECK_EQ(a->working_set_bytes, b->working_set_bytes);
	CHECK_EQ(a->dirty_rate_bytes, b->dirty_rate_bytes);
	CHECK_EQ(a->pattern, b->pattern);
	CHECK_EQ(a->heartbeat, b->heartbeat);
	CHECK_EQ(a->heartbeat_ns, b->heartbeat_ns);
	CHECK_EQ(a->sequence, b->sequence);
	CHECK_EQ(a->writer_count, b->writer_count);
	for (uint32_t i = 0; i < a->writer_count; i++) {
		CHECK_EQ(a->writers[i].position, b->writers[i].position);
		CHECK_EQ(a->writers[i].generator, b->writers[i].generator);
	}
}

TEST(decoding_gives_the_encoded_state)
{
	uint64_t random = 42;

	ram_open();
	printf("seed 42\n");
	for (int run = 0; run < 500; run++) {
		uint8_t bytes[PROCESS_STATE_BYTES_MAX];
		struct process_state state = usual_state(), seen;

		state.working_set_bytes =
			(100 + check_random(&random) % 151) * PAGE_BYTES;
		state.dirty_rate_bytes =
			check_random(&random) % (PROCESS_RATE_MAX_BYTES + 1);
		state.pattern =
			check_random(&random) % 2 ? WRITE_RANDOM : WRITE_SEQUENTIAL;
		state.heartbeat = check_random(&random) >> 2;
		state.heartbeat_ns = check_random(&random);
		state.sequence = check_random(&random) >> 2;
		state.writer_count =
			1 + (uint32_t)(check_random(&random) % PROCESS_WRITERS_MAX);
		for (uint32_t i = 0; i < state.writer_count; i++) {
			state.writers[i].generator = check_random(&random);
			state.writers[i].position = check_random(&random) %
						    process_share(&state, i).page_count;
		}
		CHECK_EQ(encode(&state, bytes), 324 + 16 * state.writer_count);
		CHECK_OK(decode(bytes, 324 + 16 * state.writer_count, &seen), &err);
		check_same(&seen, &state);
	}
	ram_deinit(&ram);
}

TEST(shares_cover_the_working_set_without_overlap)
{
	struct process_state state = { .working_set_offset = 7 * PAGE_BYTES };

	for (uint64_t pages = 1; pages < 150; pages++) {
		state.working_set_bytes = pages * PAGE_BYTES;
		for (uint32_t writers = 1;
		     writers <= PROCESS_WRITERS_MAX && writers <= pages; writers++) {
			uint64_t next = 7;

			state.writer_count = writers;
			for (uint32_t i = 0; i < writers; i++) {
				struct process_share share = process_share(&state, i);

				CHECK_EQ(share.first_page, next);
				CHECK(share.page_count > 0);
				next += share.page_count;
			}
			CHECK_EQ(next, 7 + pages);
		}
	}
}

TEST(each_truncated_prefix_is_refused)
{
	uint8_t bytes[PROCESS_STATE_BYTES_MAX];
	struct process_state state, seen = { .sequence = 77 };
	size_t length;

	ram_open();
	state = usual_state();
	length = encode(&state, bytes);
	for (size_t cut = 0; cut < length; cut++) {
		CHECK_EQ(decode(bytes, cut, &seen), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "process guest state: cut short at byte");
	}
	CHECK_EQ(seen.sequence, 77);
	ram_deinit(&ram);
}

/* Decodes the usual state with `width` bytes at `at` set to `value`. */
static int decode_with(size_t at, unsigned width, uint64_t value)
{
	uint8_t bytes[PROCESS_STATE_BYTES_MAX + 8] = { 0 };
	struct process_state state = usual_state(), seen;
	size_t length = encode(&state, bytes);

	if (width == 4)
		store_be32(bytes + at, (uint32_t)value);
	else
		store_be64(bytes + at, value);
	return decode(bytes, length, &seen);
}

/* The value that is allowed, and the first that is not. */
TEST(each_bound_is_kept)
{
	static const struct {
		size_t at;
		unsigned width;
		uint64_t allowed;
		uint64_t refused;
		const char *text;
	} bounds[] = {
		{ AT_VERSION, 4, 1, 2, "state version 2, 1 is known" },
		{ AT_VERSION, 4, 1, 0, "state version 0" },
		{ AT_HEARTBEAT_OFFSET, 8, 5 * PAGE_BYTES, 6 * PAGE_BYTES,
		  "heartbeat at 24576 lies in the working set" },
		{ AT_HEARTBEAT_OFFSET, 8, PAGE_BYTES, PAGE_BYTES + 1,
		  "heartbeat offset of 4097 bytes is no multiple of 4096" },
		{ AT_HEARTBEAT_OFFSET, 8, 0, 256 * PAGE_BYTES,
		  "heartbeat at 1048576, but the block has 1048576" },
		{ AT_HEARTBEAT_OFFSET, 8, 0, UINT64_MAX - 4095, "heartbeat at" },
		{ AT_WORKING_SET_OFFSET, 8, 6 * PAGE_BYTES, 7 * PAGE_BYTES,
		  "working set of 1024000 bytes at 28672, but the block has 1048576" },
		{ AT_WORKING_SET_OFFSET, 8, PAGE_BYTES, 0, "lies in the working set" },
		{ AT_WORKING_SET_OFFSET, 8, PAGE_BYTES, PAGE_BYTES - 1,
		  "working set offset of 4095" },
		{ AT_WORKING_SET_OFFSET, 8, PAGE_BYTES, UINT64_MAX - 4095,
		  "working set of" },
		{ AT_WORKING_SET_BYTES, 8, 250 * PAGE_BYTES, 251 * PAGE_BYTES,
		  "working set of 1028096 bytes" },
		{ AT_WORKING_SET_BYTES, 8, 4 * PAGE_BYTES, 3 * PAGE_BYTES,
		  "4 writers for a working set of 3 pages" },
		{ AT_WORKING_SET_BYTES, 8, 4 * PAGE_BYTES, 0, "working set of 0 bytes" },
		{ AT_WORKING_SET_BYTES, 8, 4 * PAGE_BYTES, UINT64_MAX - 4095,
		  "working set of" },
		{ AT_WORKING_SET_BYTES, 8, 4 * PAGE_BYTES, 4 * PAGE_BYTES + 1,
		  "working set of 16385 bytes is no multiple" },
		{ AT_RATE, 8, PROCESS_RATE_MAX_BYTES, PROCESS_RATE_MAX_BYTES + 1,
		  "dirty rate 1099511627777 bytes/s, at most 1099511627776" },
		{ AT_PATTERN, 4, 1, 2, "pattern 2, 0 and 1 are known" },
		{ AT_HEARTBEAT, 8, PROCESS_COUNT_MAX, PROCESS_COUNT_MAX + 1,
		  "heartbeat" },
		{ AT_SEQUENCE, 8, PROCESS_COUNT_MAX, PROCESS_COUNT_MAX + 1, "sequence" },
		{ AT_WRITER_COUNT, 4, 4, 0, "0 writers, 1 to 64 are allowed" },
		{ AT_WRITER_COUNT, 4, 4, 65, "65 writers, 1 to 64 are allowed" },
		{ AT_WRITER_COUNT, 4, 4, UINT32_MAX, "4294967295 writers" },
		{ AT_WRITER_COUNT, 4, 4, 5, "cut short" },
		/* 250 pages: 63, 63, 62 and 62. */
		{ AT_POSITIONS, 8, 62, 63, "writer 0 at page 63 of 63" },
		{ AT_POSITIONS + 24, 8, 61, 62, "writer 3 at page 62 of 62" },
		{ AT_POSITIONS + 32, 8, UINT64_MAX, 0, NULL }, /* a generator: any */
	};

	ram_open();
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		CHECK_OK(decode_with(bounds[i].at, bounds[i].width, bounds[i].allowed),
			 &err);
		if (!bounds[i].text) {
			CHECK_OK(decode_with(bounds[i].at, bounds[i].width,
					     bounds[i].refused),
				 &err);
			continue;
		}
		CHECK_EQ(decode_with(bounds[i].at, bounds[i].width, bounds[i].refused),
			 -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, bounds[i].text);
	}
	ram_deinit(&ram);
}

TEST(block_name_is_known_and_ends_in_its_field)
{
	uint8_t bytes[PROCESS_STATE_BYTES_MAX];
	struct process_state state, seen;
	size_t length;

	ram_open();
	state = usual_state();
	length = encode(&state, bytes);
	bytes[AT_BLOCK] = '\n';
	CHECK_EQ(decode(bytes, length, &seen), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "block \"\\x0ac.ram\" is not in this RAM");
	bytes[AT_BLOCK] = 0;
	CHECK_EQ(decode(bytes, length, &seen), -1);
	CHECK_CONTAINS(err.text, "byte 0x63 after the block's name");
	bytes[AT_BLOCK] = 'p';
	bytes[AT_BLOCK + 255] = 'x';
	CHECK_EQ(decode(bytes, length, &seen), -1);
	CHECK_CONTAINS(err.text, "byte 0x78 after the block's name");
	memset(bytes + AT_BLOCK, 'x', 256);
	CHECK_EQ(decode(bytes, length, &seen), -1);
	CHECK_CONTAINS(err.text, "no end within 256 bytes");
	/* A block too small for what is said about it. */
	memset(bytes + AT_BLOCK, 0, 256);
	memcpy(bytes + AT_BLOCK, "small", 5);
	CHECK_EQ(decode(bytes, length, &seen), -1);
	CHECK_CONTAINS(err.text, "but the block has 16384");
	ram_deinit(&ram);
}

TEST(what_a_caller_asks_for_is_checked_the_same)
{
	struct process_state state;

	ram_open();
	state = usual_state();
	state.writer_count = 65;
	CHECK_EQ(process_state_init(&state, &ram, 1, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "65 writers");
	state = usual_state();
	strcpy(state.block, "vga.vram");
	CHECK_EQ(process_state_check(&state, &ram, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, "process guest: block \"vga.vram\" is not in this RAM");
	ram_deinit(&ram);
}

TEST(description_accounts_for_each_byte)
{
	static const uint32_t writer_counts[] = { 1, 3, PROCESS_WRITERS_MAX };
	static struct vmdesc desc;

	ram_open();
	for (size_t run = 0; run < 3; run++) {
		uint8_t bytes[PROCESS_STATE_BYTES_MAX];
		char text[PROCESS_DESCRIPTION_BYTES_MAX];
		struct process_state state = usual_state();
		char whole[PROCESS_DESCRIPTION_BYTES_MAX + 64];
		json_t *device, *field;
		json_int_t size = 0;
		size_t index;

		state.writer_count = writer_counts[run];
		CHECK_EQ(process_state_describe(&state, text), strlen(text));
		device = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		CHECK(device);
		CHECK_STR(json_string_value(json_object_get(device, "name")),
			  "godwit/process-guest");
		CHECK_EQ(json_integer_value(json_object_get(device, "instance_id")), 0);
		CHECK(json_is_string(json_object_get(device, "vmsd_name")));
		CHECK_EQ(json_integer_value(json_object_get(device, "version")), 1);
		json_array_foreach (json_object_get(device, "fields"), index, field) {
			json_t *count = json_object_get(field, "array_len");

			CHECK(json_is_string(json_object_get(field, "name")));
			CHECK(json_is_string(json_object_get(field, "type")));
			size += json_integer_value(json_object_get(field, "size")) *
				(count ? json_integer_value(count) : 1);
		}
		CHECK_EQ(size, encode(&state, bytes));
		snprintf(whole, sizeof(whole), "{\"devices\":[%s]}", text);
		CHECK_OK(vmdesc_parse(whole, strlen(whole), &desc, &err), &err);
		CHECK_EQ(desc.device_count, 1);
		CHECK_EQ(desc.devices[0].body_bytes, size);
		json_decref(device);
	}
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(decoding_gives_the_encoded_state),
	  TEST_OF(shares_cover_the_working_set_without_overlap),
	  TEST_OF(each_truncated_prefix_is_refused), TEST_OF(each_bound_is_kept),
	  TEST_OF(block_name_is_known_and_ends_in_its_field),
	  TEST_OF(what_a_caller_asks_for_is_checked_the_same),
	  TEST_OF(description_accounts_for_each_byte))
