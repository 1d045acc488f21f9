/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_fuzz.c - any bytes as a page channel: an init packet, then packets.
 *
 * What is accepted must keep its promises, and survive being written and read again. */
#include <stdlib.h>

#include "wire/multifd_init.h"
#include "wire/multifd_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANNEL_COUNT 4u

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static struct layout_block blocks[] = {
	{ "pc.ram", 256 * PAGE_BYTES },
	{ "vga.vram", 16 * PAGE_BYTES },
	{ "ram", 256 * PAGE_BYTES },
	{ "one", PAGE_BYTES },
};
static const struct layout layout = { blocks, 4, 4, UINT64_MAX };

static void check_init(const uint8_t bytes[MULTIFD_INIT_BYTES])
{
	uint8_t written[MULTIFD_INIT_BYTES];
	struct multifd_init init, again;
	struct gw_error err = { 0 };

	if (multifd_init_read(bytes, CHANNEL_COUNT, &init, &err) < 0) {
		REQUIRE(err.kind == GW_PEER);
		return;
	}
	REQUIRE(init.id < CHANNEL_COUNT);
	multifd_init_write(written, &init);
	REQUIRE(multifd_init_read(written, CHANNEL_COUNT, &again, &err) == 0);
	REQUIRE(again.id == init.id && memcmp(again.uuid, init.uuid, 16) == 0);
}

static void check_counts(const struct multifd_packet *packet)
{
	uint64_t count = (uint64_t)packet->normal_pages + packet->zero_pages;

	REQUIRE(count <= MULTIFD_PACKET_PAGES);
	REQUIRE(packet->payload_bytes <= MULTIFD_PAYLOAD_BYTES_MAX);
	REQUIRE((packet->payload_bytes > 0) == (packet->normal_pages > 0));
	REQUIRE((packet->block >= 0) == (count > 0));
	if (packet->method == MULTIFD_NONE)
		REQUIRE(packet->payload_bytes == packet->normal_pages * PAGE_BYTES);
}

static void check_promises(const struct multifd_packet *packet)
{
	uint32_t count = packet->normal_pages + packet->zero_pages;

	check_counts(packet);
	REQUIRE(packet->block < (int)layout.block_count);
	for (uint32_t i = 0; i < count; i++) {
		REQUIRE(packet->offsets[i] % PAGE_BYTES == 0);
		REQUIRE(packet->offsets[i] <=
			blocks[packet->block].length_bytes - PAGE_BYTES);
	}
	REQUIRE(multifd_method_name(packet->method)[0] != 'u' ||
		packet->method == MULTIFD_UADK);
}

static void check_same(const struct multifd_packet *again,
		       const struct multifd_packet *packet)
{
	uint32_t count = packet->normal_pages + packet->zero_pages;

	REQUIRE(again->sync == packet->sync && again->method == packet->method);
	REQUIRE(again->normal_pages == packet->normal_pages);
	REQUIRE(again->zero_pages == packet->zero_pages);
	REQUIRE(again->payload_bytes == packet->payload_bytes);
	REQUIRE(again->number == packet->number && again->block == packet->block);
	REQUIRE(memcmp(again->offsets, packet->offsets,
		       count * sizeof(again->offsets[0])) == 0);
}

static void check_again(const struct multifd_packet *packet)
{
	uint8_t written[MULTIFD_PACKET_BYTES];
	struct multifd_packet again;
	struct gw_error err;

	multifd_packet_write(written, dialect_newest(), &layout, packet);
	REQUIRE(multifd_packet_read(written, &layout, &again, &err) == 0);
	check_same(&again, packet);
}

/* By whom has no layout, as a relay: looser in names and offsets, and in nothing else. */
static void check_named(const uint8_t bytes[MULTIFD_PACKET_BYTES], bool accepted)
{
	struct layout_block block = { "untouched", 1 };
	const struct layout one = { &block, 1, 1, UINT64_MAX };
	uint8_t written[MULTIFD_PACKET_BYTES];
	struct multifd_packet packet, again;
	struct layout_block named;
	struct gw_error err = { 0 };
	uint32_t count;

	if (multifd_packet_read_named(bytes, &block, &packet, &err) < 0) {
		REQUIRE(!accepted);
		REQUIRE(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
		REQUIRE(err.text[0] != '\0');
		return;
	}
	count = packet.normal_pages + packet.zero_pages;
	check_counts(&packet);
	REQUIRE(packet.block == (count > 0 ? 0 : -1));
	REQUIRE(block.length_bytes == (count > 0 ? MULTIFD_OFFSETS_END : 1));
	REQUIRE(strnlen(block.name, sizeof(block.name)) <= LAYOUT_NAME_MAX);
	for (uint32_t i = 0; i < count; i++)
		REQUIRE(packet.offsets[i] % PAGE_BYTES == 0 &&
			packet.offsets[i] < MULTIFD_OFFSETS_END);
	multifd_packet_write(written, dialect_newest(), &one, &packet);
	REQUIRE(multifd_packet_read_named(written, &named, &again, &err) == 0);
	REQUIRE(count == 0 || strcmp(named.name, block.name) == 0);
	check_same(&again, &packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct multifd_packet packet;
	bool accepted;
	struct gw_error err;

	if (size < MULTIFD_INIT_BYTES)
		return 0;
	check_init(data);
	data += MULTIFD_INIT_BYTES;
	size -= MULTIFD_INIT_BYTES;
	while (size >= MULTIFD_PACKET_BYTES) {
		err = (struct gw_error){ 0 };
		accepted = multifd_packet_read(data, &layout, &packet, &err) == 0;
		check_named(data, accepted);
		if (!accepted) {
			REQUIRE(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
			REQUIRE(err.text[0] != '\0');
			return 0;
		}
		check_promises(&packet);
		check_again(&packet);
		data += MULTIFD_PACKET_BYTES;
		size -= MULTIFD_PACKET_BYTES;
		if (packet.payload_bytes > size)
			return 0;
		data += packet.payload_bytes;
		size -= packet.payload_bytes;
	}
	return 0;
}
