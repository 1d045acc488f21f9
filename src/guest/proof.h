/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proof.h - is this the guest that left?
 *
 * A checksum of all RAM to compare between the two sides at switchover, and what a guest can tell
 * from its own memory.  Both are for RAM that nobody writes: the guest is paused. */
#ifndef GUEST_PROOF_H
#define GUEST_PROOF_H

#include "guest/process_state.h"
#include "ram/block.h"

/* 128 bits in hexadecimal, and NUL. */
#define PROOF_CHECKSUM_CHARS 33u
#define PROOF_THREADS_MAX 64u

/* Of names, lengths and bytes of all blocks.  Does not depend on the order of blocks or the number
 * of threads (1 to PROOF_THREADS_MAX).  For comparing two runs of this program, not for keeping. */
int proof_checksum(const struct ram *ram, uint32_t threads,
		   char checksum[PROOF_CHECKSUM_CHARS], struct gw_error *err);

/* Pages of one block that are stamped with one count. */
struct proof_range {
	uint64_t offset; /* in the block, as `length_bytes` of whole pages */
	uint64_t length_bytes;
	uint64_t sequence_max;
	/* Offset of a page that may be half written, of any other value when there is none. */
	uint64_t unfinished;
};

#define PROOF_ALL_FINISHED UINT64_MAX

/* Checks every stamp in the range, which lies in the block.  GW_PEER names the first page that is
 * wrong; *stamped (if not NULL) gains the pages that bear a stamp. */
int proof_stamps(const struct ram_block *block, const struct proof_range *range,
		 uint64_t *stamped, struct gw_error *err);

/* Checks every stamp in the working set, and that the heartbeat in RAM is the state's.  GW_PEER
 * names the first page that is wrong; *stamped (if not NULL) counts the pages that bear a stamp.
 * GW_USAGE when `state` does not fit `ram`. */
int proof_process(const struct ram *ram, const struct process_state *state,
		  uint64_t *stamped, struct gw_error *err);

#endif
