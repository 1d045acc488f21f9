/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_state.h - all that a process guest is, beside its RAM.
 *
 * The device state that really travels: a machine made from it over the received RAM goes on
 * where the other one was paused.  A plain value, owned by whoever holds it.
 *
 * On the wire it is the body of one FULL section; process_state_describe() tells its size field by
 * field. */
#ifndef GUEST_PROCESS_STATE_H
#define GUEST_PROCESS_STATE_H

#include "base/cursor.h"
#include "base/writer.h"
#include "ram/block.h"

#define PROCESS_STATE_NAME "godwit/process-guest"
#define PROCESS_STATE_INSTANCE 0u
#define PROCESS_STATE_VERSION 1u

#define PROCESS_WRITERS_MAX 64u
#define PROCESS_RATE_MAX_BYTES (UINT64_C(1) << 40) /* per second */
/* Counters start at 0 and gain a few million a second at most: never reached, and room to count
 * on without wrapping. */
#define PROCESS_COUNT_MAX (UINT64_C(1) << 62)

#define PROCESS_STATE_BYTES_MAX (324u + 16u * PROCESS_WRITERS_MAX)
#define PROCESS_DESCRIPTION_BYTES_MAX 2048u

enum write_pattern { WRITE_SEQUENTIAL = 0, WRITE_RANDOM = 1 };

/* What one writer knows.  It has its own share of the working set: see process_share(). */
struct process_writer {
	uint64_t position;  /* next page within the share, for WRITE_SEQUENTIAL */
	uint64_t generator; /* for WRITE_RANDOM */
};

struct process_state {
	/* Where, in the block of this name. */
	char block[RAM_NAME_MAX + 1];
	uint64_t heartbeat_offset; /* a page of its own */
	uint64_t working_set_offset;
	uint64_t working_set_bytes;

	/* How. */
	uint64_t dirty_rate_bytes; /* per second, over all writers; 0 writes nothing */
	enum write_pattern pattern;

	/* How far. */
	uint64_t heartbeat;    /* beats since the guest was born; also kept in its RAM */
	uint64_t heartbeat_ns; /* when the last was, by its host's monotonic clock */
	uint64_t sequence;     /* highest that a page was stamped with */
	uint32_t writer_count; /* 1 to PROCESS_WRITERS_MAX */
	struct process_writer writers[PROCESS_WRITERS_MAX];
};

/* Pages of the working set that are one writer's alone. */
struct process_share {
	uint64_t first_page; /* of the block */
	uint64_t page_count;
};

struct process_share process_share(const struct process_state *state, uint32_t writer);

/* GW_USAGE when such a guest cannot be in `ram`: unknown block, places outside of it or on top of
 * each other or not page aligned, no writer or too many or more than pages, a rate past the limit. */
int process_state_check(const struct process_state *state, const struct ram *ram,
			struct gw_error *err);

/* A guest that was never started, out of the first half of *state and writer_count, which the
 * caller has set.  GW_USAGE as above. */
int process_state_init(struct process_state *state, const struct ram *ram, uint64_t seed,
		       struct gw_error *err);

/* At most PROCESS_STATE_BYTES_MAX. */
void process_state_encode(const struct process_state *state, struct writer *out);

/* GW_PEER: cut short, another version, or what process_state_check() refuses. */
int process_state_decode(struct cursor *in, const struct ram *ram,
			 struct process_state *state, struct gw_error *err);

/* The object of this section in a VMDESCRIPTION's "devices"; at most
 * PROCESS_DESCRIPTION_BYTES_MAX with its NUL.  Returns its length without. */
uint32_t process_state_describe(const struct process_state *state,
				char text[PROCESS_DESCRIPTION_BYTES_MAX]);

#endif
