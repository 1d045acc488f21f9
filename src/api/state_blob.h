/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state_blob.h - sections of state as callers see them, bytes under a name, on QEMU's wire.
 *
 * Sections there carry no length, so ours begin with one:
 *
 *	section name  "godwit/state/" NAME
 *	body          be32 length, then so many bytes
 *
 * and the description that closes the stream says the same, so that whoever reads along
 * (godwit inspect, QEMU's analyze-migration.py) can follow. */
#ifndef API_STATE_BLOB_H
#define API_STATE_BLOB_H

#include "machine/machine.h"

#define STATE_BLOB_PREFIX "godwit/state/"

/* Sections of one save; zero is none.  Owns copies of them. */
struct gw_state {
	struct device_section *sections;
	uint32_t count;
	uint32_t room;
	size_t bytes; /* of all, without their lengths */
	char *vmdesc;
};

void state_blob_clear(struct gw_state *state);

/* All that was added, good until the next change.  GW_SYSTEM: no memory. */
int state_blob_finish(struct gw_state *state, struct device_state *saved,
		      struct gw_error *err);

/* What one destination took so far; zero at first. */
struct state_blob_taken {
	uint32_t count;
	size_t bytes;
};

/* One body from the wire.  Fills in name, bytes and length of `section`; the bytes are the
 * caller's to free().  GW_PEER: not such a section, cut short, or beyond the limits of
 * gw_state_add(). */
int state_blob_read(struct cursor *in, const char *wire_name,
		    struct state_blob_taken *taken, struct gw_section *section,
		    struct gw_error *err);

#endif
