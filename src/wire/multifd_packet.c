/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_packet.c - the header of a packet of pages. */
#include "wire/multifd_packet.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/writer.h"
#include "wire/multifd_init.h"

#define NAME_FIELD_BYTES 256u /* ends with a NUL */
#define RESERVED_BYTES 28u    /* after zero_pages */

static_assert(NAME_FIELD_BYTES == LAYOUT_NAME_MAX + 1, "every block's name fits");
static_assert(MULTIFD_PACKET_PAGES * PAGE_BYTES <= MULTIFD_PAYLOAD_BYTES_MAX,
	      "a packet of raw pages fits");

/* qpl and uadk: a be32 length a page, then bodies of 1 byte to a whole page each. */
#define LENGTH_ENTRY_BYTES UINT64_C(4)

const char *multifd_method_name(enum multifd_method method)
{
	switch (method) {
	case MULTIFD_NONE:
		return "none";
	case MULTIFD_ZLIB:
		return "zlib";
	case MULTIFD_ZSTD:
		return "zstd";
	case MULTIFD_QPL:
		return "qpl";
	case MULTIFD_UADK:
		return "uadk";
	case MULTIFD_QATZIP:
		return "qatzip";
	}
	return "unknown";
}

static int check_flags(uint32_t flags, struct gw_error *err)
{
	uint32_t known =
		MULTIFD_FLAG_SYNC | MULTIFD_FLAG_METHODS | MULTIFD_FLAG_DEVICE_STATE;
	uint32_t method = flags & MULTIFD_FLAG_METHODS;

	if (flags & ~known)
		return fail(err, GW_PEER,
			    "multifd packet: flags 0x%" PRIx32 ", only 0x%" PRIx32
			    " are known",
			    flags, known);
	if (flags & MULTIFD_FLAG_DEVICE_STATE)
		return fail(err, GW_UNSUPPORTED,
			    "multifd packet: device state packets are not supported");
	if (method & (method - 1))
		return fail(err, GW_PEER,
			    "multifd packet: flags 0x%" PRIx32 " name several methods",
			    flags);
	return 0;
}

int multifd_packet_check_start(const uint8_t bytes[MULTIFD_PACKET_START_BYTES],
			       struct gw_error *err)
{
	uint32_t magic = load_be32(bytes), version = load_be32(bytes + 4);

	if (magic != MULTIFD_MAGIC)
		return fail(err, GW_PEER,
			    "multifd packet: magic 0x%08" PRIx32 ", expected 0x%08x",
			    magic, MULTIFD_MAGIC);
	if (version != MULTIFD_VERSION)
		return fail(err, GW_PEER,
			    "multifd packet: version %" PRIu32 ", only %u is known",
			    version, MULTIFD_VERSION);
	return check_flags(load_be32(bytes + 8), err);
}

static int check_counts(uint32_t pages_alloc, const struct multifd_packet *packet,
			struct gw_error *err)
{
	/* A packet for other pages than ours has another length, so this is no detail. */
	if (pages_alloc > MULTIFD_PACKET_PAGES)
		return fail(err, GW_PEER,
			    "multifd packet: room for %" PRIu32 " pages, at most %u",
			    pages_alloc, MULTIFD_PACKET_PAGES);
	if (packet->normal_pages > MULTIFD_PACKET_PAGES)
		return fail(err, GW_PEER, "multifd packet: %" PRIu32 " pages, at most %u",
			    packet->normal_pages, MULTIFD_PACKET_PAGES);
	if (packet->zero_pages > MULTIFD_PACKET_PAGES - packet->normal_pages)
		return fail(err, GW_PEER,
			    "multifd packet: %" PRIu32 " zero pages beside %" PRIu32
			    ", at most %u together",
			    packet->zero_pages, packet->normal_pages,
			    MULTIFD_PACKET_PAGES);
	return 0;
}

static int check_payload(uint32_t bytes, const struct multifd_packet *packet,
			 struct gw_error *err)
{
	uint64_t page_bytes = packet->normal_pages * PAGE_BYTES;
	uint64_t least = 1, most = MULTIFD_PAYLOAD_BYTES_MAX;

	if (packet->method == MULTIFD_NONE) {
		least = page_bytes;
		most = page_bytes;
	} else if (packet->method == MULTIFD_QPL || packet->method == MULTIFD_UADK) {
		least = packet->normal_pages * (LENGTH_ENTRY_BYTES + 1);
		most = packet->normal_pages * LENGTH_ENTRY_BYTES + page_bytes;
	}
	if (bytes < least || bytes > most)
		return fail(err, GW_PEER,
			    "multifd packet: %" PRIu32 " bytes of %s for %" PRIu32
			    " pages, %" PRIu64 " to %" PRIu64 " are allowed",
			    bytes, multifd_method_name(packet->method),
			    packet->normal_pages, least, most);
	return 0;
}

/* The name's length; -1: it has no end. */
static ptrdiff_t measure_name(const uint8_t field[NAME_FIELD_BYTES], struct gw_error *err)
{
	size_t length = strnlen((const char *)field, NAME_FIELD_BYTES);

	if (length == NAME_FIELD_BYTES)
		return fail(err, GW_PEER, "multifd packet: block name without an end");
	return (ptrdiff_t)length;
}

static int find_block(const uint8_t field[NAME_FIELD_BYTES], const struct layout *layout,
		      struct multifd_packet *packet, struct gw_error *err)
{
	const char *name = (const char *)field;
	char out[WIRE_NAME_SHOWN_MAX];
	ptrdiff_t length = measure_name(field, err);

	if (length < 0)
		return -1;
	packet->block = layout_find(layout, name, (size_t)length);
	if (packet->block < 0)
		return fail(err, GW_PEER,
			    "multifd packet: block \"%s\", which is not listed",
			    wire_name_shown(out, name));
	return 0;
}

static int copy_name(const uint8_t field[NAME_FIELD_BYTES], struct layout_block *block,
		     struct gw_error *err)
{
	ptrdiff_t length = measure_name(field, err);

	if (length < 0)
		return -1;
	if (length == 0)
		return fail(err, GW_PEER,
			    "multifd packet: block name of 0 bytes, 1 to %u are allowed",
			    LAYOUT_NAME_MAX);
	memcpy(block->name, field, (size_t)length + 1);
	return 0;
}

static int read_offsets(struct cursor *in, const struct layout_block *block,
			struct multifd_packet *packet, struct gw_error *err)
{
	uint32_t count = packet->normal_pages + packet->zero_pages;
	char out[WIRE_NAME_SHOWN_MAX];

	for (uint32_t i = 0; i < count; i++) {
		uint64_t offset = cursor_be64(in);

		if (offset % PAGE_BYTES != 0)
			return fail(err, GW_PEER,
				    "multifd packet: offset 0x%" PRIx64
				    ", expected a multiple of 0x%" PRIx64,
				    offset, PAGE_BYTES);
		/* Both are multiples of the page, so the whole page is inside. */
		if (offset >= block->length_bytes)
			return fail(err, GW_PEER,
				    "multifd packet: offset 0x%" PRIx64
				    " in block \"%s\" of 0x%" PRIx64 " bytes",
				    offset, wire_name_shown(out, block->name),
				    block->length_bytes);
		packet->offsets[i] = offset;
	}
	return 0;
}

/* All but the block and the offsets, which `in` has reached then.
 * Return: 1 the packet has pages, 0 it has none, -1 error. */
static int read_fields(const uint8_t bytes[MULTIFD_PACKET_BYTES], struct cursor *in,
		       const uint8_t **name, struct multifd_packet *packet,
		       struct gw_error *err)
{
	uint32_t flags, pages_alloc, payload_bytes;

	if (multifd_packet_check_start(bytes, err) < 0)
		return -1;
	*in = cursor_over(bytes + 8, MULTIFD_PACKET_BYTES - 8);
	flags = cursor_be32(in);
	packet->sync = flags & MULTIFD_FLAG_SYNC;
	packet->method = (enum multifd_method)(flags & MULTIFD_FLAG_METHODS);
	pages_alloc = cursor_be32(in);
	packet->normal_pages = cursor_be32(in);
	payload_bytes = cursor_be32(in);
	packet->number = cursor_be64(in);
	packet->zero_pages = cursor_be32(in);
	cursor_skip(in, RESERVED_BYTES);
	*name = cursor_take(in, NAME_FIELD_BYTES);
	/* What a packet without pages says of size, name and offsets may be an older packet's. */
	packet->payload_bytes = 0;
	packet->block = -1;
	if (check_counts(pages_alloc, packet, err) < 0)
		return -1;
	if (packet->normal_pages > 0) {
		if (check_payload(payload_bytes, packet, err) < 0)
			return -1;
		packet->payload_bytes = payload_bytes;
	}
	return packet->normal_pages + packet->zero_pages > 0;
}

int multifd_packet_read(const uint8_t bytes[MULTIFD_PACKET_BYTES],
			const struct layout *layout, struct multifd_packet *packet,
			struct gw_error *err)
{
	struct cursor in;
	const uint8_t *name;
	int has_pages = read_fields(bytes, &in, &name, packet, err);

	if (has_pages <= 0)
		return has_pages;
	if (find_block(name, layout, packet, err) < 0)
		return -1;
	return read_offsets(&in, &layout->blocks[packet->block], packet, err);
}

int multifd_packet_read_named(const uint8_t bytes[MULTIFD_PACKET_BYTES],
			      struct layout_block *block, struct multifd_packet *packet,
			      struct gw_error *err)
{
	struct cursor in;
	const uint8_t *name;
	int has_pages = read_fields(bytes, &in, &name, packet, err);

	if (has_pages <= 0)
		return has_pages;
	if (copy_name(name, block, err) < 0)
		return -1;
	block->length_bytes = MULTIFD_OFFSETS_END;
	packet->block = 0;
	return read_offsets(&in, block, packet, err);
}

void multifd_packet_write(uint8_t bytes[MULTIFD_PACKET_BYTES],
			  const struct dialect *dialect, const struct layout *layout,
			  const struct multifd_packet *packet)
{
	struct writer out = writer_over(bytes, MULTIFD_PACKET_BYTES);
	uint32_t count = packet->normal_pages + packet->zero_pages;
	bool no_room = packet->sync && count == 0 && dialect->sync_pages_alloc_zero;
	uint32_t flags = (uint32_t)packet->method;

	assert(packet->normal_pages <= MULTIFD_PACKET_PAGES &&
	       packet->zero_pages <= MULTIFD_PACKET_PAGES - packet->normal_pages);
	assert(packet->zero_pages == 0 || dialect->zero_pages_in_packets);
	assert(packet->payload_bytes <= MULTIFD_PAYLOAD_BYTES_MAX);
	if (packet->sync)
		flags |= MULTIFD_FLAG_SYNC;
	writer_be32(&out, MULTIFD_MAGIC);
	writer_be32(&out, MULTIFD_VERSION);
	writer_be32(&out, flags);
	writer_be32(&out, no_room ? 0 : MULTIFD_PACKET_PAGES);
	writer_be32(&out, packet->normal_pages);
	writer_be32(&out, packet->normal_pages > 0 ? packet->payload_bytes : 0);
	writer_be64(&out, packet->number);
	writer_be32(&out, packet->zero_pages);
	writer_zeros(&out, RESERVED_BYTES);
	if (packet->block >= 0) {
		const char *name = layout->blocks[packet->block].name;
		size_t length = strlen(name);

		assert((uint32_t)packet->block < layout->block_count);
		writer_bytes(&out, name, length);
		writer_zeros(&out, NAME_FIELD_BYTES - length);
	} else {
		assert(count == 0);
		writer_zeros(&out, NAME_FIELD_BYTES);
	}
	for (uint32_t i = 0; i < count; i++)
		writer_be64(&out, packet->offsets[i]);
	writer_zeros(&out, MULTIFD_PACKET_BYTES - out.used);
	assert(!out.overrun);
}
