/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_packet.h - the header of a packet of pages.
 *
 * Always MULTIFD_PACKET_BYTES long, then payload_bytes of payload when normal_pages > 0.
 * Source: QEMU migration/multifd.h, 7.2 to 11.1. */
#ifndef WIRE_MULTIFD_PACKET_H
#define WIRE_MULTIFD_PACKET_H

#include "base/pages.h"
#include "wire/dialect.h"
#include "wire/ram_section.h"

#define MULTIFD_PACKET_PAGES 128u /* 512 KiB of 4 KiB pages */
#define MULTIFD_PACKET_BYTES (320u + 8u * MULTIFD_PACKET_PAGES)
#define MULTIFD_PAYLOAD_BYTES_MAX (1u << 20)

#define MULTIFD_FLAG_SYNC 0x01u
#define MULTIFD_FLAG_METHODS 0x3eu
#define MULTIFD_FLAG_DEVICE_STATE 0x40u

/* The method field, as it stands in the flags. */
enum multifd_method {
	MULTIFD_NONE = 0x00,
	MULTIFD_ZLIB = 0x02,
	MULTIFD_ZSTD = 0x04,
	MULTIFD_QPL = 0x08,
	MULTIFD_UADK = 0x10,
	MULTIFD_QATZIP = 0x20,
};

struct multifd_packet {
	bool sync;
	enum multifd_method method;
	uint32_t normal_pages;
	uint32_t zero_pages;
	uint32_t payload_bytes; /* 0 when normal_pages is 0, whatever the wire says */
	uint64_t number;
	int block; /* index in the layout; -1 when the packet has no pages */
	uint64_t offsets[MULTIFD_PACKET_PAGES]; /* normal pages, then zero pages */
};

/* The first bytes of a packet: magic, version, flags. */
#define MULTIFD_PACKET_START_BYTES 12u

/* What can be refused before the rest of the header has come: a device-state packet is shorter
 * than one of pages, and whoever waits for more waits in vain. */
int multifd_packet_check_start(const uint8_t bytes[MULTIFD_PACKET_START_BYTES],
			       struct gw_error *err);

/* Enforced: magic, version, known flags, one method, pages_alloc <= capacity, counts, block
 * known, each offset aligned and inside, payload bounds (none: exactly the pages; qpl and uadk:
 * their length table and 1 byte to a page for each; 1 to MULTIFD_PAYLOAD_BYTES_MAX otherwise).
 * Stale fields are ignored, whatever the dialect.
 *
 * Device-state packets are refused by name.  Their header is shorter (276 bytes), so at the end
 * of a channel a reader may run into the end before it has the bytes to ask with. */
int multifd_packet_read(const uint8_t bytes[MULTIFD_PACKET_BYTES],
			const struct layout *layout, struct multifd_packet *packet,
			struct gw_error *err);

/* The same for who has no layout: `block` gets the name (1 to LAYOUT_NAME_MAX bytes, whichever)
 * and MULTIFD_OFFSETS_END for its length, the only bound on offsets then; packet->block is 0, an
 * index in a layout of that one block.  Without pages `block` is untouched. */
#define MULTIFD_OFFSETS_END (UINT64_C(1) << 56)
int multifd_packet_read_named(const uint8_t bytes[MULTIFD_PACKET_BYTES],
			      struct layout_block *block, struct multifd_packet *packet,
			      struct gw_error *err);

/* Whole header, unused bytes zero.  block -1 writes an empty name. */
void multifd_packet_write(uint8_t bytes[MULTIFD_PACKET_BYTES],
			  const struct dialect *dialect, const struct layout *layout,
			  const struct multifd_packet *packet);

const char *multifd_method_name(enum multifd_method method);

#endif
