/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_scan.h - follows main's way back as it flies past: what did the destination say?
 *
 * Only looks; the bytes go on unchanged.  RECV_BITMAP of post-copy recovery carries data behind
 * its message (wire format, 5.2).  The first SHUT is the last message: nothing behind it counts.
 * A plain value. */
#ifndef RELAY_RETURN_SCAN_H
#define RELAY_RETURN_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct return_scan {
	/* Other threads may load the flags (acquire); shut_value is there once `shut` is. */
	bool shut;	     /* SHUT has come */
	uint32_t shut_value; /* 0: success */
	bool lost;	     /* nonsense: no longer followed */
	uint64_t messages;   /* begun, SHUT among them */
	/* the implementation's */
	uint8_t held[8];
	uint32_t held_count;
	uint64_t skip;
	uint32_t state;
};

void return_scan_init(struct return_scan *scan);
void return_scan_feed(struct return_scan *scan, const uint8_t *bytes, size_t length);

#endif
