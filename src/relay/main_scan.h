/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_scan.h - follows QEMU's main channel as it flies past, and edits it where two QEMUs differ.
 *
 * Bytes go in as they come and come out at once, but for the few (at most MAIN_SCAN_HELD_MAX) that
 * may turn out to be what is edited; without edits none is held.  Where the input is cut makes no
 * difference to the output.  Everything is verbatim except:
 *
 *	flush_before_eos       a FLUSH record goes before each EOS of a precopy ram body
 *	                       (a source with a barrier a section, a destination with one a round)
 *	drop_switchover_start  COMMAND SWITCHOVER_START is left out (destination before 10.0)
 *
 * It can follow up to the first section that is not "ram": such have no length (wire format, 1.5).
 * From there on it copies.  What it does not know it copies as well: refusing a stream is the
 * destination QEMU's affair.  A plain value, no I/O, no heap, no threads. */
#ifndef RELAY_MAIN_SCAN_H
#define RELAY_MAIN_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "wire/stream_header.h"

#define MAIN_SCAN_HELD_MAX 7u /* all of an EOS but its last byte */

struct main_scan_edits {
	bool flush_before_eos;
	bool drop_switchover_start;
};

/* What has been seen so far.  Other threads may load the flags (acquire); what a flag vouches for
 * is there by then: machine[] for `configured`, setup_flushed and ram_bytes for setup_ended. */
struct main_seen {
	bool header;	 /* magic and version were right */
	bool configured; /* machine[] is there */
	char machine[STREAM_NAME_MAX + 1];
	bool setup_ended;      /* the START body of "ram" has come to its EOS */
	bool setup_flushed;    /* and had a FLUSH before it: barriers are per round */
	bool ram_ended;	       /* the END body has; nothing more is to be edited */
	uint64_t ram_bytes;    /* MEM_SIZE of the block list */
	bool postcopy_advised; /* for RAM: an ADVISE with page sizes */
	bool postcopy_running; /* POSTCOPY_RAM_DISCARD, LISTEN, RUN or PACKAGED was seen */
	uint32_t switchover_starts, flushes_added;
	/* Where a destination may wait for SYNCs: FLUSH records, those added among them, and the ends
	 * of ram bodies, both of precopy.  See main_scan_feed(). */
	uint32_t flushes, body_ends;
	/* What follows is only copied: the end of what can be followed.  Before ram_ended it means
	 * that edits may be missing. */
	bool lost;
};

struct main_scan {
	struct main_scan_edits edits;
	struct main_seen seen;
	/* ... the state of the parser: the implementation's */
	uint32_t state;	      /* which field comes next, */
	uint32_t field_bytes; /* how long it is, */
	uint32_t field_count; /* what of it has come */
	uint32_t held_count;  /* and what of that has not gone out */
	uint8_t field[STREAM_NAME_MAX + 8];
	uint64_t skip;	     /* bytes to copy before the field */
	uint64_t left_bytes; /* of the block list */
	uint32_t capabilities_left;
	uint32_t section_id; /* of "ram", once `started` */
	uint8_t section_type;
	uint16_t page_kind; /* of the page record whose block is being named */
	bool in_configuration, started, ignore_shared;
	bool list_seen, page_size_may_follow;
};

void main_scan_init(struct main_scan *scan, const struct main_scan_edits *edits);

/* Gets what is to be written, in order; the bytes are good for the call. */
typedef int main_scan_emit(void *state, const void *bytes, size_t length,
			   struct gw_error *err);

/* -1 when emit returned -1, and then it is not to be called again.
 *
 * No call of emit reaches beyond a FLUSH or an end of a body that is counted in `seen`, and when
 * emit is called, all that is counted by then has been emitted: so it can wait for the SYNCs that
 * belong to what has gone out before. */
int main_scan_feed(struct main_scan *scan, const uint8_t *bytes, size_t length,
		   main_scan_emit *emit, void *state, struct gw_error *err);

/* At the end of the stream: what is still held goes out. */
int main_scan_end(struct main_scan *scan, main_scan_emit *emit, void *state,
		  struct gw_error *err);

#endif
