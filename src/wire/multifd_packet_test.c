/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_packet_test.c - headers of packets of pages. */
#include "wire/multifd_packet.h"

#include "tests/check.h"

#define PAGE ((uint64_t)PAGE_BYTES)

/* Where fields stand. */
enum {
	AT_FLAGS = 8,
	AT_ALLOC = 12,
	AT_NORMAL = 16,
	AT_PAYLOAD = 20,
	AT_NUMBER = 24,
	AT_ZERO = 32,
	AT_RESERVED = 36,
	AT_NAME = 64,
	AT_OFFSETS = 320
};

static struct layout_block blocks[] = { { "pc.ram", 256 * PAGE }, { "vga.vram", PAGE } };
static const struct layout layout = { blocks, 2, 2, UINT64_MAX };
static uint8_t bytes[MULTIFD_PACKET_BYTES];
static struct multifd_packet got;

static const struct dialect *newest(void)
{
	return dialect_newest();
}

/* A packet of `normal` and `zero` pages of pc.ram, in descending order. */
static struct multifd_packet sample(uint32_t normal, uint32_t zero)
{
	struct multifd_packet packet = { .normal_pages = normal,
					 .zero_pages = zero,
					 .payload_bytes = normal * 4096,
					 .number = 77,
					 .block = 0 };

	for (uint32_t i = 0; i < normal + zero; i++)
		packet.offsets[i] = (255 - i) * PAGE;
	return packet;
}

static void write_sample(uint32_t normal, uint32_t zero)
{
	struct multifd_packet packet = sample(normal, zero);

	multifd_packet_write(bytes, newest(), &layout, &packet);
}

#define CHECK_READ()                                                                 \
	do {                                                                         \
		struct gw_error err__;                                               \
		CHECK_OK(multifd_packet_read(bytes, &layout, &got, &err__), &err__); \
	} while (0)

#define CHECK_REFUSED(kind_, text_)                                              \
	do {                                                                     \
		struct gw_error err__ = { 0 };                                   \
		CHECK_EQ(multifd_packet_read(bytes, &layout, &got, &err__), -1); \
		CHECK_EQ(err__.kind, kind_);                                     \
		CHECK_STR(err__.text, text_);                                    \
	} while (0)

/* ---- writing ---- */

TEST(written_as_documented)
{
	struct multifd_packet packet = sample(1, 1);

	packet.method = MULTIFD_QPL;
	packet.payload_bytes = 53;
	packet.number = 0x0102030405060708;
	memset(bytes, 0xa5, sizeof(bytes));
	multifd_packet_write(bytes, newest(), &layout, &packet);
	CHECK_EQ(load_be32(bytes), 0x11223344);
	CHECK_EQ(load_be32(bytes + 4), 1);
	CHECK_EQ(load_be32(bytes + AT_FLAGS), 8);
	CHECK_EQ(load_be32(bytes + AT_ALLOC), 128);
	CHECK_EQ(load_be32(bytes + AT_NORMAL), 1);
	CHECK_EQ(load_be32(bytes + AT_PAYLOAD), 53);
	CHECK_EQ(load_be64(bytes + AT_NUMBER), 0x0102030405060708);
	CHECK_EQ(load_be32(bytes + AT_ZERO), 1);
	CHECK_STR((const char *)bytes + AT_NAME, "pc.ram");
	CHECK_EQ(load_be64(bytes + AT_OFFSETS), 255 * PAGE);
	CHECK_EQ(load_be64(bytes + AT_OFFSETS + 8), 254 * PAGE);
	for (size_t i = AT_RESERVED; i < AT_NAME; i++)
		CHECK_EQ(bytes[i], 0);
	for (size_t i = AT_NAME + 6; i < AT_OFFSETS; i++)
		CHECK_EQ(bytes[i], 0);
	for (size_t i = AT_OFFSETS + 16; i < sizeof(bytes); i++)
		CHECK_EQ(bytes[i], 0);
}

TEST(sync_packets_say_their_room_as_the_dialect_does)
{
	struct multifd_packet packet = { .sync = true, .block = -1 };

	for (const struct dialect *d = dialects; d->name; d++) {
		multifd_packet_write(bytes, d, &layout, &packet);
		CHECK_EQ(load_be32(bytes + AT_FLAGS), MULTIFD_FLAG_SYNC);
		CHECK_EQ(load_be32(bytes + AT_ALLOC), d->sync_pages_alloc_zero ? 0 : 128);
		CHECK_EQ(bytes[AT_NAME], 0);
		CHECK_READ();
		CHECK(got.sync);
		CHECK_EQ(got.block, -1);
	}
}

TEST(every_size_survives_a_round_trip)
{
	static const enum multifd_method methods[] = { MULTIFD_NONE, MULTIFD_ZLIB,
						       MULTIFD_ZSTD, MULTIFD_QPL,
						       MULTIFD_UADK, MULTIFD_QATZIP };

	for (uint32_t normal = 0; normal <= 128; normal++) {
		struct multifd_packet sent = sample(normal, 128 - normal);

		sent.method = methods[normal % 6];
		sent.sync = normal % 2;
		multifd_packet_write(bytes, newest(), &layout, &sent);
		CHECK_READ();
		CHECK_EQ(got.sync, sent.sync);
		CHECK_EQ(got.method, sent.method);
		CHECK_EQ(got.normal_pages, sent.normal_pages);
		CHECK_EQ(got.zero_pages, sent.zero_pages);
		CHECK_EQ(got.payload_bytes, sent.payload_bytes);
		CHECK_EQ(got.number, 77);
		CHECK_EQ(got.block, 0);
		CHECK(memcmp(got.offsets, sent.offsets, sizeof(got.offsets)) == 0);
	}
}

/* ---- what is ignored ---- */

TEST(packets_without_pages_may_carry_anything_stale)
{
	static const uint32_t flags[] = { 0, MULTIFD_FLAG_SYNC, MULTIFD_ZLIB | 1 };

	for (size_t i = 0; i < 3; i++) {
		memset(bytes, 0xff, sizeof(bytes));
		store_be32(bytes, 0x11223344);
		store_be32(bytes + 4, 1);
		store_be32(bytes + AT_FLAGS, flags[i]);
		store_be32(bytes + AT_ALLOC, 128);
		store_be32(bytes + AT_NORMAL, 0);
		store_be32(bytes + AT_ZERO, 0);
		CHECK_READ();
		CHECK_EQ(got.sync, i > 0);
		CHECK_EQ(got.payload_bytes, 0);
		CHECK_EQ(got.block, -1);
		CHECK_EQ(got.number, UINT64_MAX);
	}
}

TEST(a_size_without_normal_pages_means_nothing)
{
	write_sample(0, 3);
	store_be32(bytes + AT_PAYLOAD, UINT32_MAX);
	CHECK_READ();
	CHECK_EQ(got.payload_bytes, 0);
	CHECK_EQ(got.zero_pages, 3);
}

TEST(reserved_bytes_and_unused_offsets_are_ignored)
{
	write_sample(2, 1);
	memset(bytes + AT_RESERVED, 0xff, AT_NAME - AT_RESERVED);
	memset(bytes + AT_NAME + 7, 0xff, AT_OFFSETS - AT_NAME - 7);
	memset(bytes + AT_OFFSETS + 24, 0xff, sizeof(bytes) - AT_OFFSETS - 24);
	CHECK_READ();
	CHECK_EQ(got.block, 0);
}

TEST(room_of_zero_is_fine)
{
	write_sample(1, 0);
	store_be32(bytes + AT_ALLOC, 0);
	CHECK_READ();
}

/* ---- limits ---- */

TEST(magic_and_version_are_fixed)
{
	write_sample(1, 0);
	store_be32(bytes, 0x11223345);
	CHECK_REFUSED(GW_PEER, "multifd packet: magic 0x11223345, expected 0x11223344");
	write_sample(1, 0);
	store_be32(bytes + 4, 0);
	CHECK_REFUSED(GW_PEER, "multifd packet: version 0, only 1 is known");
}

TEST(flags_are_known_and_name_one_method)
{
	for (uint32_t bit = 0; bit < 32; bit++) {
		struct gw_error err = { 0 };
		int result;

		write_sample(0, 1);
		store_be32(bytes + AT_FLAGS, UINT32_C(1) << bit);
		result = multifd_packet_read(bytes, &layout, &got, &err);
		CHECK_EQ(result, bit < 6 ? 0 : -1);
		if (bit == 6)
			CHECK_STR(err.text,
				  "multifd packet: device state packets are not "
				  "supported");
		if (result < 0)
			CHECK_EQ(err.kind, bit == 6 ? GW_UNSUPPORTED : GW_PEER);
	}
	write_sample(1, 0);
	store_be32(bytes + AT_FLAGS, 0x81);
	CHECK_REFUSED(GW_PEER, "multifd packet: flags 0x81, only 0x7f are known");
	store_be32(bytes + AT_FLAGS, 0x06);
	CHECK_REFUSED(GW_PEER, "multifd packet: flags 0x6 name several methods");
	store_be32(bytes + AT_FLAGS, 0x3f);
	CHECK_REFUSED(GW_PEER, "multifd packet: flags 0x3f name several methods");
}

TEST(room_is_at_most_a_packets)
{
	write_sample(1, 0);
	store_be32(bytes + AT_ALLOC, 129);
	CHECK_REFUSED(GW_PEER, "multifd packet: room for 129 pages, at most 128");
}

TEST(page_counts_are_bounded_together)
{
	write_sample(128, 0);
	CHECK_READ();
	store_be32(bytes + AT_NORMAL, 129);
	CHECK_REFUSED(GW_PEER, "multifd packet: 129 pages, at most 128");
	write_sample(127, 1);
	CHECK_READ();
	store_be32(bytes + AT_ZERO, 2);
	CHECK_REFUSED(GW_PEER,
		      "multifd packet: 2 zero pages beside 127, at most 128 together");
	store_be32(bytes + AT_ZERO, UINT32_MAX - 126);
	CHECK_REFUSED(GW_PEER,
		      "multifd packet: 4294967169 zero pages beside 127, at most 128 "
		      "together");
}

TEST(raw_payload_is_exactly_the_pages)
{
	write_sample(3, 0);
	CHECK_READ();
	store_be32(bytes + AT_PAYLOAD, 12287);
	CHECK_REFUSED(GW_PEER,
		      "multifd packet: 12287 bytes of none for 3 pages, 12288 to "
		      "12288 are allowed");
	store_be32(bytes + AT_PAYLOAD, 12289);
	CHECK_REFUSED(GW_PEER,
		      "multifd packet: 12289 bytes of none for 3 pages, 12288 to "
		      "12288 are allowed");
}

TEST(compressed_payload_is_1_byte_to_1_mib)
{
	static const enum multifd_method methods[] = { MULTIFD_ZLIB, MULTIFD_ZSTD,
						       MULTIFD_QATZIP };
	char text[128];

	for (size_t i = 0; i < 3; i++) {
		write_sample(3, 0);
		store_be32(bytes + AT_FLAGS, methods[i]);
		store_be32(bytes + AT_PAYLOAD, 1);
		CHECK_READ();
		CHECK_EQ(got.payload_bytes, 1);
		store_be32(bytes + AT_PAYLOAD, 1048576);
		CHECK_READ();
		store_be32(bytes + AT_PAYLOAD, 1048577);
		snprintf(text, sizeof(text),
			 "multifd packet: 1048577 bytes of %s for 3 pages, 1 to 1048576 "
			 "are "
			 "allowed",
			 multifd_method_name(methods[i]));
		CHECK_REFUSED(GW_PEER, text);
		store_be32(bytes + AT_PAYLOAD, 0);
		snprintf(text, sizeof(text),
			 "multifd packet: 0 bytes of %s for 3 pages, 1 to 1048576 are "
			 "allowed",
			 multifd_method_name(methods[i]));
		CHECK_REFUSED(GW_PEER, text);
	}
}

TEST(payload_with_a_length_table_holds_table_and_pages)
{
	static const enum multifd_method methods[] = { MULTIFD_QPL, MULTIFD_UADK };

	for (size_t i = 0; i < 2; i++) {
		struct gw_error err;

		write_sample(3, 0);
		store_be32(bytes + AT_FLAGS, methods[i]);
		store_be32(bytes + AT_PAYLOAD, 15);
		CHECK_READ();
		store_be32(bytes + AT_PAYLOAD, 12300);
		CHECK_READ();
		store_be32(bytes + AT_PAYLOAD, 14);
		CHECK_EQ(multifd_packet_read(bytes, &layout, &got, &err), -1);
		CHECK_CONTAINS(err.text, "15 to 12300 are allowed");
		store_be32(bytes + AT_PAYLOAD, 12301);
		CHECK_EQ(multifd_packet_read(bytes, &layout, &got, &err), -1);
		CHECK_CONTAINS(err.text, "12301 bytes of ");
	}
}

TEST(blocks_are_known_and_their_names_end)
{
	struct gw_error err;

	write_sample(1, 0);
	bytes[AT_NAME + 6] = '\033';
	CHECK_REFUSED(GW_PEER,
		      "multifd packet: block \"pc.ram\\x1b\", which is not listed");
	memset(bytes + AT_NAME, 'n', 255);
	bytes[AT_NAME + 255] = '\0';
	CHECK_EQ(multifd_packet_read(bytes, &layout, &got, &err), -1);
	CHECK_CONTAINS(err.text, "which is not listed");
	bytes[AT_NAME + 255] = 'n';
	CHECK_REFUSED(GW_PEER, "multifd packet: block name without an end");
	bytes[AT_NAME] = '\0';
	CHECK_REFUSED(GW_PEER, "multifd packet: block \"\", which is not listed");
}

TEST(the_longest_block_name_is_found)
{
	static struct layout_block long_block = { .length_bytes = PAGE };
	static const struct layout long_layout = { &long_block, 1, 1, UINT64_MAX };
	struct multifd_packet packet = { .zero_pages = 1 };
	struct gw_error err;

	memset(long_block.name, 'n', LAYOUT_NAME_MAX);
	multifd_packet_write(bytes, newest(), &long_layout, &packet);
	CHECK_OK(multifd_packet_read(bytes, &long_layout, &got, &err), &err);
	CHECK_EQ(got.block, 0);
}

TEST(every_offset_is_aligned_and_inside)
{
	for (uint32_t i = 0; i < 4; i++) {
		size_t at = AT_OFFSETS + 8 * i;
		struct gw_error err;

		/* Two normal, two zero pages. */
		write_sample(2, 2);
		store_be64(bytes + at, 255 * PAGE);
		CHECK_READ();
		store_be64(bytes + at, 256 * PAGE);
		CHECK_REFUSED(GW_PEER,
			      "multifd packet: offset 0x100000 in block \"pc.ram\" of "
			      "0x100000 bytes");
		store_be64(bytes + at, 255 * PAGE + 1);
		CHECK_REFUSED(GW_PEER,
			      "multifd packet: offset 0xff001, expected a multiple of "
			      "0x1000");
		store_be64(bytes + at, ~(PAGE - 1));
		CHECK_EQ(multifd_packet_read(bytes, &layout, &got, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
	}
}

TEST(offsets_are_held_against_the_named_block)
{
	write_sample(0, 1);
	memset(bytes + AT_NAME, 0, 256);
	memcpy(bytes + AT_NAME, "vga.vram", 8);
	store_be64(bytes + AT_OFFSETS, 0);
	CHECK_READ();
	CHECK_EQ(got.block, 1);
	store_be64(bytes + AT_OFFSETS, PAGE);
	CHECK_REFUSED(
		GW_PEER,
		"multifd packet: offset 0x1000 in block \"vga.vram\" of 0x1000 bytes");
}

/* ---- without a layout ---- */

#define CHECK_NAMED_REFUSED(text_)                                                    \
	do {                                                                          \
		struct gw_error err__ = { 0 };                                        \
		CHECK_EQ(multifd_packet_read_named(bytes, &named, &got, &err__), -1); \
		CHECK_EQ(err__.kind, GW_PEER);                                        \
		CHECK_STR(err__.text, text_);                                         \
	} while (0)

static struct layout_block named;

TEST(a_packet_can_be_read_and_written_again_by_its_own_name)
{
	static const struct layout only = { &named, 1, 1, UINT64_MAX };
	uint8_t again[MULTIFD_PACKET_BYTES];
	struct gw_error err;

	for (uint32_t normal = 0; normal <= 128; normal += 32) {
		struct multifd_packet sent = sample(normal, 128 - normal);

		sent.sync = normal % 64;
		multifd_packet_write(bytes, newest(), &layout, &sent);
		memset(&named, 0xa5, sizeof(named));
		CHECK_OK(multifd_packet_read_named(bytes, &named, &got, &err), &err);
		CHECK_STR(named.name, "pc.ram");
		CHECK_EQ(named.length_bytes, MULTIFD_OFFSETS_END);
		CHECK_EQ(got.block, 0);
		CHECK_EQ(got.sync, sent.sync);
		CHECK_EQ(got.normal_pages, normal);
		CHECK_EQ(got.zero_pages, 128 - normal);
		multifd_packet_write(again, newest(), &only, &got);
		CHECK(memcmp(again, bytes, sizeof(again)) == 0);
	}
}

TEST(without_pages_there_is_no_name_to_read)
{
	struct multifd_packet packet = { .sync = true, .block = -1 };
	struct gw_error err;

	multifd_packet_write(bytes, newest(), &layout, &packet);
	memset(bytes + AT_NAME, 'n', sizeof(bytes) - AT_NAME);
	strcpy(named.name, "before");
	CHECK_OK(multifd_packet_read_named(bytes, &named, &got, &err), &err);
	CHECK(got.sync);
	CHECK_EQ(got.block, -1);
	CHECK_STR(named.name, "before");
}

TEST(any_name_of_1_to_255_bytes_will_do)
{
	struct gw_error err;

	write_sample(1, 0);
	memset(bytes + AT_NAME, 'n', 255);
	bytes[AT_NAME + 255] = '\0';
	CHECK_OK(multifd_packet_read_named(bytes, &named, &got, &err), &err);
	CHECK_EQ(strlen(named.name), 255);
	bytes[AT_NAME + 255] = 'n';
	CHECK_NAMED_REFUSED("multifd packet: block name without an end");
	bytes[AT_NAME + 1] = '\0';
	CHECK_OK(multifd_packet_read_named(bytes, &named, &got, &err), &err);
	CHECK_STR(named.name, "n");
	bytes[AT_NAME] = '\0';
	CHECK_NAMED_REFUSED(
		"multifd packet: block name of 0 bytes, 1 to 255 are allowed");
}

TEST(offsets_without_a_layout_are_aligned_and_of_56_bits)
{
	struct gw_error err;

	for (uint32_t i = 0; i < 2; i++) {
		size_t at = AT_OFFSETS + 8 * i;

		write_sample(1, 1);
		store_be64(bytes + at, MULTIFD_OFFSETS_END - PAGE);
		CHECK_OK(multifd_packet_read_named(bytes, &named, &got, &err), &err);
		CHECK_EQ(got.offsets[i], MULTIFD_OFFSETS_END - PAGE);
		store_be64(bytes + at, MULTIFD_OFFSETS_END);
		CHECK_NAMED_REFUSED("multifd packet: offset 0x100000000000000 in block "
				    "\"pc.ram\" of 0x100000000000000 bytes");
		store_be64(bytes + at, 2048);
		CHECK_NAMED_REFUSED("multifd packet: offset 0x800, expected a multiple "
				    "of 0x1000");
	}
}

TEST(without_a_layout_the_bounds_are_the_same)
{
	write_sample(128, 0);
	store_be32(bytes + AT_NORMAL, 129);
	CHECK_NAMED_REFUSED("multifd packet: 129 pages, at most 128");
	write_sample(3, 0);
	store_be32(bytes + AT_PAYLOAD, 12289);
	CHECK_NAMED_REFUSED("multifd packet: 12289 bytes of none for 3 pages, 12288 to "
			    "12288 are allowed");
	write_sample(1, 0);
	store_be32(bytes, 0);
	CHECK_NAMED_REFUSED("multifd packet: magic 0x00000000, expected 0x11223344");
}

TEST(methods_have_names)
{
	CHECK_STR(multifd_method_name(MULTIFD_NONE), "none");
	CHECK_STR(multifd_method_name(MULTIFD_ZLIB), "zlib");
	CHECK_STR(multifd_method_name(MULTIFD_ZSTD), "zstd");
	CHECK_STR(multifd_method_name(MULTIFD_QPL), "qpl");
	CHECK_STR(multifd_method_name(MULTIFD_UADK), "uadk");
	CHECK_STR(multifd_method_name(MULTIFD_QATZIP), "qatzip");
	CHECK_STR(multifd_method_name((enum multifd_method)0x3e), "unknown");
}

TEST_MAIN(TEST_OF(written_as_documented),
	  TEST_OF(sync_packets_say_their_room_as_the_dialect_does),
	  TEST_OF(every_size_survives_a_round_trip),
	  TEST_OF(packets_without_pages_may_carry_anything_stale),
	  TEST_OF(a_size_without_normal_pages_means_nothing),
	  TEST_OF(reserved_bytes_and_unused_offsets_are_ignored),
	  TEST_OF(room_of_zero_is_fine), TEST_OF(magic_and_version_are_fixed),
	  TEST_OF(flags_are_known_and_name_one_method),
	  TEST_OF(room_is_at_most_a_packets), TEST_OF(page_counts_are_bounded_together),
	  TEST_OF(raw_payload_is_exactly_the_pages),
	  TEST_OF(compressed_payload_is_1_byte_to_1_mib),
	  TEST_OF(payload_with_a_length_table_holds_table_and_pages),
	  TEST_OF(blocks_are_known_and_their_names_end),
	  TEST_OF(the_longest_block_name_is_found),
	  TEST_OF(every_offset_is_aligned_and_inside),
	  TEST_OF(offsets_are_held_against_the_named_block),
	  TEST_OF(a_packet_can_be_read_and_written_again_by_its_own_name),
	  TEST_OF(without_pages_there_is_no_name_to_read),
	  TEST_OF(any_name_of_1_to_255_bytes_will_do),
	  TEST_OF(offsets_without_a_layout_are_aligned_and_of_56_bits),
	  TEST_OF(without_a_layout_the_bounds_are_the_same), TEST_OF(methods_have_names))
