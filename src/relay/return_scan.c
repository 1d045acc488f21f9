/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_scan.c - follows main's way back as it flies past. */
#include "relay/return_scan.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/return_path.h"
#include "wire/wire_name.h"

enum {
	SCAN_HEAD,	 /* type, length */
	SCAN_SHUT,	 /* its value */
	SCAN_BITMAP,	 /* its size, behind the message */
	SCAN_BITMAP_END, /* the mark behind the bitmap */
	SCAN_STATE_COUNT
};

static const uint32_t wanted[SCAN_STATE_COUNT] = {
	[SCAN_HEAD] = 4,
	[SCAN_SHUT] = 4,
	[SCAN_BITMAP] = 8,
	[SCAN_BITMAP_END] = 8,
};

#define BITMAP_END_MARK UINT64_C(0x0123456789abcdef)

/* How long a message's data are. */
static const struct {
	uint16_t least, most;
} lengths[] = {
	[RETURN_SHUT] = { 4, 4 },
	[RETURN_PONG] = { 4, 4 },
	[RETURN_REQ_PAGES_ID] = { 13 + 1, 13 + WIRE_NAME_MAX },
	[RETURN_REQ_PAGES] = { 12, 12 },
	[RETURN_RECV_BITMAP] = { 1 + 1, 1 + WIRE_NAME_MAX },
	[RETURN_RESUME_ACK] = { 4, 4 },
	[RETURN_SWITCHOVER_ACK] = { 0, 0 },
};

#define LENGTH_COUNT (sizeof(lengths) / sizeof(lengths[0]))

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to */
static void note(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static void take_head(struct return_scan *scan)
{
	uint16_t type = load_be16(scan->held), length = load_be16(scan->held + 2);

	if (type == 0 || type >= LENGTH_COUNT || length < lengths[type].least ||
	    length > lengths[type].most) {
		note(&scan->lost);
		return;
	}
	scan->messages++;
	if (type == RETURN_SHUT) {
		scan->state = SCAN_SHUT;
		return;
	}
	scan->skip = length;
	if (type == RETURN_RECV_BITMAP)
		scan->state = SCAN_BITMAP;
}

static void take(struct return_scan *scan)
{
	switch (scan->state) {
	case SCAN_HEAD:
		take_head(scan);
		return;
	case SCAN_SHUT:
		scan->shut_value = load_be32(scan->held);
		note(&scan->shut);
		return;
	case SCAN_BITMAP:
		scan->skip = load_be64(scan->held);
		scan->state = SCAN_BITMAP_END;
		return;
	default:
		if (load_be64(scan->held) != BITMAP_END_MARK)
			note(&scan->lost);
		scan->state = SCAN_HEAD;
	}
}

void return_scan_init(struct return_scan *scan)
{
	*scan = (struct return_scan){ 0 };
}

void return_scan_feed(struct return_scan *scan, const uint8_t *bytes, size_t length)
{
	while (length > 0 && !scan->lost && !scan->shut) {
		uint64_t some = scan->skip > 0 ? scan->skip
					       : wanted[scan->state] - scan->held_count;

		if (some > length)
			some = length;
		if (scan->skip > 0) {
			scan->skip -= some;
		} else {
			memcpy(scan->held + scan->held_count, bytes, some);
			scan->held_count += (uint32_t)some;
			if (scan->held_count == wanted[scan->state]) {
				scan->held_count = 0;
				take(scan);
			}
		}
		bytes += some;
		length -= some;
	}
}
