/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* golden_test.c - streams that QEMU wrote, read to the last byte. */
#include "tests/golden/golden.h"
#include "wire/multifd_init.h"
#include "wire/multifd_packet.h"
#include "wire/vmdesc.h"
#include "wire/walk_for_tests.h"

static uint8_t bytes[GOLDEN_BYTES_MAX];
static struct vmdesc desc;
static struct walk walk;

/* Walks a main channel up to its tail, and the tail to the end. */
static void check_main(const char *name)
{
	size_t length = golden_load(name, bytes);
	struct cursor in = cursor_over(bytes, length);
	struct gw_error err;
	struct span tail;

	walk_init(&walk);
	CHECK_OK(walk_main(&walk, &in, &err), &err);
	CHECK(walk.ram_ended);
	tail = (struct span){ bytes + walk.tail_offset, length - walk.tail_offset };
	if (vmdesc_find_end(tail, &desc) != 1)
		CHECK_FAIL("%s: the end was not found", name);
	for (size_t cut = 0; cut < tail.length; cut++)
		if (vmdesc_find_end((struct span){ tail.bytes, cut }, &desc) != 0)
			CHECK_FAIL("%s: an end at %zu of %zu", name, cut, tail.length);
	CHECK_EQ(vmdesc_find_end(tail, &desc), 1);
}

static const struct vmdesc_device *device(const char *name, uint32_t instance)
{
	for (uint32_t i = 0; i < desc.device_count; i++)
		if (strcmp(desc.devices[i].name, name) == 0 &&
		    desc.devices[i].instance == instance)
			return &desc.devices[i];
	CHECK_FAIL("no device %s", name);
}

TEST(plain_main_of_7_2)
{
	check_main("qemu-7.2-none.main");
	CHECK_STR(walk.header.machine, "none");
	CHECK(!walk.header.has_uuid && !walk.header.ignore_shared && !walk.return_path);
	CHECK_EQ(walk.layout.block_count, 1);
	CHECK_STR(walk.blocks[0].name, "ram");
	CHECK_EQ(walk.blocks[0].length_bytes, 1 << 20);
	CHECK_EQ(walk.zero_count, 256);
	CHECK_EQ(walk.page_count, 0);
	CHECK_EQ(walk.flush_count, 0);
	CHECK_EQ(walk.sections.sections[0].id, 2);
	CHECK_EQ(desc.device_count, 2);
	CHECK_EQ(device("timer", 0)->body_bytes, 24);
	CHECK_EQ(device("timer", 0)->section_id, 0);
	CHECK_EQ(device("globalstate", 0)->body_bytes, 104);
}

TEST(plain_main_of_11_1)
{
	check_main("qemu-11.1-none.main");
	CHECK_STR(walk.header.machine, "none");
	CHECK_EQ(walk.zero_count, 256);
	CHECK_EQ(walk.flush_count, 0);
	CHECK(walk.switchover_start);
	CHECK_EQ(walk.sections.sections[0].id, 1);
	CHECK_EQ(device("globalstate", 0)->body_bytes, 104);
}

TEST(main_beside_multifd_of_7_2)
{
	check_main("qemu-7.2-none-multifd.main");
	CHECK(walk.return_path && !walk.switchover_start);
	CHECK_EQ(walk.ping_sum, 1);
	CHECK_EQ(walk.flush_count, 0);
	CHECK_EQ(walk.zero_count, 252);
	CHECK_EQ(walk.page_count, 0);
}

TEST(main_beside_multifd_of_11_1)
{
	check_main("qemu-11.1-none-multifd.main");
	CHECK(walk.return_path && walk.switchover_start);
	CHECK_EQ(walk.ping_sum, 1);
	CHECK_EQ(walk.zero_count, 0);
	CHECK_EQ(walk.page_count, 0);
	CHECK_EQ(walk.flush_count, 3);
}

TEST(announced_capabilities_and_uuid)
{
	static const char *const names[] = { "qemu-7.2-none-announced.main",
					     "qemu-11.1-none-announced.main" };

	for (size_t i = 0; i < 2; i++) {
		check_main(names[i]);
		CHECK(walk.header.ignore_shared && walk.header.has_uuid);
		CHECK_EQ(walk.header.uuid[0], 0x11);
		CHECK_EQ(walk.header.uuid[14], 0xff);
		CHECK_EQ(walk.layout.block_count, 1);
		CHECK_EQ(walk.blocks[0].length_bytes, 1 << 20);
	}
}

TEST(a_machine_with_many_devices)
{
	static const char *const names[] = { "qemu-7.2-q35.main", "qemu-11.1-q35.main" };
	static const char *const machines[] = { "pc-q35-7.2", "pc-q35-11.1" };

	for (size_t i = 0; i < 2; i++) {
		check_main(names[i]);
		CHECK_STR(walk.header.machine, machines[i]);
		CHECK(walk.layout.block_count > 4);
		CHECK_EQ(layout_find(&walk.layout, "pc.ram", 6), 0);
		CHECK(desc.device_count > 25);
		CHECK(device("cpu", 1)->body_bytes > 1000);
		CHECK(device("0000:00:01.0/virtio-net", 0)->body_bytes > 0);
		CHECK_STR(desc.devices[desc.device_count - 1].name, "globalstate");
	}
}

/* ---- page channels ---- */

struct channel_sum {
	uint32_t packet_count;
	uint32_t sync_count;
	uint32_t merged_count; /* SYNC and pages in one */
	uint32_t empty_count;  /* neither */
	uint32_t normal_pages;
	uint32_t zero_pages;
	uint64_t last_number;
};

static struct layout_block ram_block = { "ram", 1 << 20 };
static const struct layout ram_layout = { &ram_block, 1, 1, UINT64_MAX };

static void check_channel(const char *name, uint8_t id, enum multifd_method method,
			  struct channel_sum *sum)
{
	size_t length = golden_load(name, bytes), at = MULTIFD_INIT_BYTES;
	struct multifd_packet packet;
	struct multifd_init init;
	struct gw_error err;

	CHECK(length >= MULTIFD_INIT_BYTES);
	CHECK_OK(multifd_init_read(bytes, 2, &init, &err), &err);
	CHECK_EQ(init.id, id);
	while (at < length) {
		CHECK(length - at >= MULTIFD_PACKET_BYTES);
		CHECK_OK(multifd_packet_read(bytes + at, &ram_layout, &packet, &err),
			 &err);
		at += MULTIFD_PACKET_BYTES;
		CHECK(length - at >= packet.payload_bytes);
		at += packet.payload_bytes;
		sum->packet_count++;
		sum->sync_count += packet.sync;
		sum->merged_count += packet.sync && packet.normal_pages > 0;
		sum->empty_count += !packet.sync && packet.block < 0;
		sum->normal_pages += packet.normal_pages;
		sum->zero_pages += packet.zero_pages;
		if (packet.normal_pages > 0)
			CHECK_EQ(packet.method, method);
		if (packet.number > sum->last_number)
			sum->last_number = packet.number;
	}
	CHECK_EQ(at, length);
}

static struct channel_sum check_channels(const char *recording,
					 enum multifd_method method)
{
	struct channel_sum sum = { 0 };

	for (uint8_t id = 0; id < 2; id++) {
		char name[64];

		snprintf(name, sizeof(name), "%s.multifd%u", recording, id);
		check_channel(name, id, method, &sum);
	}
	return sum;
}

TEST(page_channels_of_7_2_carry_stale_fields)
{
	struct channel_sum raw = check_channels("qemu-7.2-none-multifd", MULTIFD_NONE);
	struct channel_sum zlib = check_channels("qemu-7.2-none-zlib", MULTIFD_ZLIB);

	CHECK_EQ(raw.normal_pages, 4);
	CHECK_EQ(zlib.normal_pages, 4);
	CHECK_EQ(raw.zero_pages, 0);
	/* One a channel at setup, after the one PART, and at completion. */
	CHECK_EQ(raw.sync_count, 6);
	CHECK_EQ(zlib.sync_count, 6);
	/* Of those, one rode on the data, and an empty packet with a stale size followed it. */
	CHECK_EQ(raw.packet_count, 7);
	CHECK_EQ(raw.merged_count, 1);
	CHECK_EQ(zlib.merged_count, 1);
	CHECK_EQ(raw.empty_count, 1);
	CHECK_EQ(zlib.empty_count, 1);
}

TEST(page_channels_of_11_1_carry_zero_pages)
{
	struct channel_sum raw = check_channels("qemu-11.1-none-multifd", MULTIFD_NONE);
	struct channel_sum zlib = check_channels("qemu-11.1-none-zlib", MULTIFD_ZLIB);

	CHECK_EQ(raw.normal_pages, 4);
	CHECK_EQ(raw.zero_pages, 252);
	CHECK_EQ(zlib.normal_pages, 4);
	CHECK_EQ(zlib.zero_pages, 252);
	/* One a channel for each of main's three barriers. */
	CHECK_EQ(raw.sync_count, 6);
	CHECK_EQ(raw.merged_count + raw.empty_count, 0);
	CHECK_EQ(raw.last_number, raw.packet_count - 1);
}

TEST(our_sync_packet_is_the_one_of_11_1)
{
	struct multifd_packet packet = { .sync = true, .block = -1 };
	size_t length = golden_load("qemu-11.1-none-multifd.multifd0", bytes);
	const uint8_t *recorded = bytes + MULTIFD_INIT_BYTES;
	uint8_t written[MULTIFD_PACKET_BYTES];

	CHECK(length >= MULTIFD_INIT_BYTES + MULTIFD_PACKET_BYTES);
	multifd_packet_write(written, dialect_newest(), &ram_layout, &packet);
	CHECK(memcmp(written, recorded, sizeof(written)) == 0);
}

TEST_MAIN(TEST_OF(plain_main_of_7_2), TEST_OF(plain_main_of_11_1),
	  TEST_OF(main_beside_multifd_of_7_2), TEST_OF(main_beside_multifd_of_11_1),
	  TEST_OF(announced_capabilities_and_uuid), TEST_OF(a_machine_with_many_devices),
	  TEST_OF(page_channels_of_7_2_carry_stale_fields),
	  TEST_OF(page_channels_of_11_1_carry_zero_pages),
	  TEST_OF(our_sync_packet_is_the_one_of_11_1))
